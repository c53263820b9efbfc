# The part of install.sh that has gitolite's repositories run our hooks: it links LOCAL_CODE/hooks/common, from where gitolite
# links them into each repository, those that are made tomorrow included.
#
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # it shares its variables with install.sh

change_gitolite() {
    if [ "$(id -u)" -eq 0 ]; then
        start_again_for_gitolite
        return
    fi
    command -v gitolite >/dev/null || die "cannot find 'gitolite' on PATH" \
        "run this as the user whose gitolite it is, or as root with --user NAME"
    base=$(gitolite query-rc GL_REPO_BASE 2>/dev/null)
    [ -d "$base" ] ||
        die "cannot find gitolite's repositories: gitolite query-rc GL_REPO_BASE does not say where they are" \
            "run this as the user whose gitolite it is, after gitolite setup"
    local_code=$(gitolite query-rc LOCAL_CODE 2>/dev/null)
    if [ -z "$local_code" ] && ! $uninstall; then
        error "cannot link gitolite's hooks: LOCAL_CODE is not set in '$HOME/.gitolite.rc'"
        hint "put this line into it, in front of its ENABLE: LOCAL_CODE => \"\$rc{GL_ADMIN_BASE}/local\"," \
            "and run this again"
        exit 1
    fi
    changed=false notes=''
    common=$local_code/hooks/common
    if $uninstall; then
        unlink_gitolite
    else
        link_gitolite
    fi
}

link_gitolite() {
    $dry_run || { [ -x "$program" ] && "$program" --version </dev/null >/dev/null 2>&1; } ||
        die "cannot link gitolite's hooks: '$program' does not run as user '$(id -un)'" \
            "install it where everyone can run it, such as --prefix /usr/local"
    if gitolite query-rc POST_COMPILE | grep -q repo-specific-hooks; then
        link_repo_specific
    else
        link_common
    fi
    note_config_keys
    tell "installed the hooks of gitolite's repositories in '$place'" \
        "already installed: the hooks of gitolite's repositories in '$place'"
}

link_common() {
    place=$common
    for name in post-receive pre-receive; do
        hook=$common/$name
        is_link_to post-receive "$hook" || ! exists "$hook" ||
            die "cannot link '$hook': all of gitolite's repositories have a hook of that name" \
                "gitolite runs several as repository-specific hooks: enable them in '$HOME/.gitolite.rc'," \
                "and '$hook' as one of them, by option hook.$name in gitolite.conf; then run this again"
    done
    make_directory "$common"
    point "$common/post-receive" "$program"
    point "$common/pre-receive" "$program"
    all_linked || change "run 'gitolite setup'" gitolite setup
}

# Where a repository has hooks of its own from gitolite.conf, gitolite runs those by a driver, and puts it and the common hooks in
# each other's place: a common hook would switch off theirs, which may refuse pushes.
link_repo_specific() {
    place=$local_code/hooks/repo-specific
    make_directory "$place"
    point "$place/webhook" "$program"
    if names_ours; then
        unlink_common
        return
    fi
    error "no repository of gitolite's runs it yet: gitolite.conf does not name it"
    hint "put these lines at its end, push, and run this again:" \
        "    repo @all" \
        "        option hook.post-receive.webhook = webhook" \
        "        option hook.pre-receive.webhook = webhook"
    exit 1
}

# Whether gitolite.conf has any repository run it, as gitolite's own trigger asks that.
names_ours() {
    gitolite list-phy-repos | gitolite git-config -ev -r % 'gitolite-options\.hook\.post-receive' 2>/dev/null |
        grep -qw webhook
}

# Whether gitolite has put ours into every repository, as far as the first that lacks one.
all_linked() {
    [ -z "$(gitolite_hooks | while read -r hook; do
        [ -n "$(readlink "$hook")" ] || { say "$hook" && break; }
    done)" ]
}

# Both hooks of each repository, a line each.
gitolite_hooks() {
    find "$base" -type d -name '*.git' -prune -exec sh -c \
        'for repository do for name in pre-receive post-receive; do printf "%s\n" "$repository/hooks/$name"; done; done' sh {} +
}

# gitolite.conf can have `config webhook.ci.url = …` lines only for keys that match this.
note_config_keys() {
    keys=$(gitolite query-rc GIT_CONFIG_KEYS 2>/dev/null)
    [ -z "$keys" ] || ! say webhook.ci.url | grep -qE "^($keys)\$" || return 0
    note "for targets in gitolite.conf, '$HOME/.gitolite.rc' wants GIT_CONFIG_KEYS => 'webhook\\..*', beside what is there;
      gitolite takes no value with one of \` ~ # \$ & ( ) | ; < > in it, and keeps the last of a key that stands twice"
}

unlink_gitolite() {
    if [ -n "$local_code" ]; then
        ours=$local_code/hooks/repo-specific/webhook
        if is_link_to post-receive "$ours"; then
            note "gitolite.conf names 'webhook' still, and gitolite warns of that: take it out of the options there"
            remove_file "$ours"
        fi
        unlink_common
    fi
    tell "removed the hooks of gitolite's repositories" "not installed: hooks of gitolite's repositories"
}

# gitolite leaves its links to what is gone, and git passes over them in silence.
unlink_common() {
    old_words=$IFS IFS='
'
    for hook in $(gitolite_hooks); do
        case $(readlink "$hook") in
        "$common"/*) ! is_ours_in_common "${hook##*/}" || remove_file "$hook" ;;
        esac
    done
    IFS=$old_words
    for name in pre-receive post-receive; do
        ! is_ours_in_common "$name" || remove_file "$common/$name"
    done
}

is_ours_in_common() {
    is_link_to post-receive "$common/$1"
}

# Its own configuration is in its user's home, and what is made there shall be his.
start_again_for_gitolite() {
    [ -n "$timer_user" ] || die "cannot find gitolite: it belongs to a user" \
        "name him: --user git"
    owner=$(id -u -- "$timer_user" 2>/dev/null) || die "no such user: '$timer_user'"
    group=$(id -g "$owner")
    entry=$(getent passwd "$owner")
    user=$timer_user
    home=$(printf %s "$entry" | cut -d : -f 6)
    set -- --gitolite --link-only
    ! $uninstall || set -- --gitolite --uninstall
    ! $dry_run || set -- "$@" --dry-run
    set -- sh -s -- "$@" --prefix "$prefix"
    set -- env HOME="$home" INSTALL_SH_TERMINAL="$terminal" "$@"
    unset XDG_CONFIG_HOME
    find_way || die "cannot become user '$user'" "run this as that user"
    # Neither file may be within his reach.
    { sed '$d' "$checkout/${0##*/}" && cat "$checkout/install/gitolite.sh" && sed -n '$p' "$checkout/${0##*/}"; } | become "$@"
}

# The part of install.sh that is about many repositories at once: those below a directory, those that are made from now on, and
# all of this machine, by git's system configuration.
#
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # it shares its variables with install.sh

# --- below a directory ---------------------------------------------------------------------

# Every repository below $root, as `git webhook --root` finds them: no links, and nothing inside a repository. A line each.
find_below_root() {
    [ -d "$root" ] || die "cannot look below '$root': it is not a directory"
    # shellcheck disable=SC2016 # the inner shell is the one to fill it in
    find -H "$(absolute "$root")" -type d -exec sh -c \
        'test -f "$1/HEAD" && test -d "$1/objects" && test -e "$1/refs"' sh {} \; -prune -print 2>/dev/null | sort
}

# --- of the whole machine ------------------------------------------------------------------

# git 2.54 and later run hooks of the configuration beside those of the repository.
change_system() {
    require_git
    changed=false notes=''
    if $uninstall; then
        unset_system_hook
        tell "removed the hooks of all repositories from '$(system_file)'" \
            "not installed: hooks of all repositories in '$(system_file)'"
        return
    fi
    knows_configured_hooks || die "cannot have git $version run hooks of its system configuration: 2.54 or newer does" \
        "for every repository that sets no core.hooksPath of its own: --hooks-path" \
        "for those that are made from now on: --template" \
        "for those that are there, below a directory: --root DIR"
    require_for_all
    choose_system_name
    try_system_hook
    if [ "$(git config --system "$key.command" 2>/dev/null)" != "$command" ]; then
        change "set $key.command in '$(system_file)'" git config --system "$key.command" "$command"
    fi
    for event in pre-receive post-receive; do
        has_system_event "$event" ||
            change "set $key.event = $event in '$(system_file)'" git config --system --add "$key.event" "$event"
    done
    note "a repository without targets is left as it is; to switch it off for one: git --git-dir=. config $key.enabled false"
    tell "installed the hooks of all repositories in '$(system_file)'" \
        "already installed: the hooks of all repositories in '$(system_file)'"
}

# Where this git looks for it. Older ones cannot be asked, and read the one of their prefix.
system_file() {
    file=$(git var GIT_CONFIG_SYSTEM 2>/dev/null) && [ -n "$file" ] && say "$file" && return
    prefix_of_git=$(git --exec-path)
    case $prefix_of_git in
    /usr/lib/* | /usr/libexec/*) say /etc/gitconfig ;;
    *) say "${prefix_of_git%/*/*}/etc/gitconfig" ;;
    esac
}

# Sets $key and $command. Both names are nobody's event, which git would refuse.
choose_system_name() {
    command="$(quote "$program") || :"
    for key in hook.webhook hook.git-webhook; do
        [ "$(git config --system --type=bool "$key.enabled" 2>/dev/null)" != false ] ||
            die "cannot configure hooks for all repositories: $key.enabled in '$(system_file)' switches them off" \
                "if they are to run: git config --system --unset $key.enabled"
        case $(git config --system "$key.command" 2>/dev/null) in
        *"/libexec/git-webhook/post-receive' || :") return ;;
        '') git config --system --get-regexp "^$key\\." >/dev/null 2>&1 || return ;;
        esac
    done
    die "cannot configure hooks for all repositories: hook.webhook and hook.git-webhook are somebody else's in '$(system_file)'"
}

has_system_event() {
    git config --system --get-all "$key.event" 2>/dev/null | grep -qx "$1"
}

# A value that git cannot take would end every command of everybody: it reads a copy first.
try_system_hook() {
    trial=$(mktemp -d) || die "cannot make a temporary directory"
    refusal=$(
        exec 2>&1
        file=$(system_file)
        [ ! -f "$file" ] || cp "$file" "$trial/gitconfig" || exit
        git config --file "$trial/gitconfig" "$key.command" "$command" || exit
        for event in pre-receive post-receive; do
            git config --file "$trial/gitconfig" --add "$key.event" "$event" || exit
        done
        # Whose it is git does not ask of what it makes itself.
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM="$trial/gitconfig" GIT_DIR="$trial/git"
        git init -q --bare || exit
        for event in pre-receive post-receive; do
            git hook list "$event" | grep -qx "${key#hook.}" || { say "git hook list $event does not show it" && exit 1; }
        done
    )
    outcome=$?
    rm -rf "$trial"
    [ "$outcome" = 0 ] || die "cannot configure hooks for all repositories: git does not take them, and nothing was changed: $refusal"
}

unset_system_hook() {
    for key in hook.webhook hook.git-webhook; do
        case $(git config --system "$key.command" 2>/dev/null) in
        *"/libexec/git-webhook/post-receive' || :")
            change "remove $key from '$(system_file)'" git config --system --remove-section "$key"
            ;;
        esac
    done
}

require_installed() {
    $dry_run || { [ -x "$program" ] && [ -x "$driver" ] && program_runs; } ||
        die "cannot have repositories run '$program': it is not there, or does not run" \
            "install it first: leave out --link-only, or name the --prefix that it has"
}

# Every user who pushes has to be able to run it.
require_for_all() {
    require_installed
    ! $dry_run || return 0
    for place in "$program" "$(readlink -f "$program")"; do
        while [ -n "$place" ]; do
            # shellcheck disable=SC2012 # stat is not the same command everywhere
            ls -ndL "$place" | awk '{ exit !(substr($1, 10, 1) ~ /[xt]/) }' ||
                die "cannot have all repositories run '$program': '$place' is closed to other users" \
                    "install it where everyone can run it, such as --prefix /usr/local"
            place=${place%/*}
        done
    done
}

# --- for an older git ----------------------------------------------------------------------

# What githooks(5) lists. What is not there under its name, git takes for not there.
hook_names='applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg commit-msg post-commit
pre-rebase post-checkout post-merge pre-push pre-receive update proc-receive post-receive post-update reference-transaction
push-to-checkout pre-auto-gc post-rewrite sendemail-validate fsmonitor-watchman p4-changelist p4-prepare-changelist
p4-post-changelist p4-pre-submit post-index-change'

change_hooks_path() {
    require_git
    changed=false notes=''
    every=$libexec/every directory=$libexec/hooks
    set_path=$(git config --system core.hooksPath 2>/dev/null)
    if $uninstall; then
        remove_hooks_path
        return
    fi
    is_our_hooks_path "$set_path" || [ -z "$set_path" ] ||
        die "cannot set core.hooksPath: it is '$set_path' in '$(system_file)'" \
            "for all repositories that use these hooks: ln -s '$program' '$set_path/post-receive'" \
            "and: ln -s '$program' '$set_path/pre-receive'"
    require_for_all
    make_directory "$directory"
    install_file 755 "$checkout/hooks/every" "$every"
    for name in $hook_names; do point "$directory/$name" ../every; done
    [ "$set_path" = "$directory" ] ||
        change "set core.hooksPath in '$(system_file)'" git config --system core.hooksPath "$directory"
    note "each repository's own hooks run as before; one that sets core.hooksPath itself is left out"
    tell "installed the hooks of all repositories: core.hooksPath in '$(system_file)'" \
        "already installed: the hooks of all repositories"
}

# What core.hooksPath leads to goes after it: git passes over what is not there, and theirs with it.
remove_hooks_path() {
    if is_our_hooks_path "$set_path"; then
        change "remove core.hooksPath from '$(system_file)'" git config --system --unset-all core.hooksPath
        directory=$set_path every=${set_path%/hooks}/every
    fi
    for name in $hook_names; do remove_file "$directory/$name"; done
    [ ! -d "$directory" ] || change "remove '$directory'" rmdir "$directory"
    remove_file "$every"
    tell "removed the hooks of all repositories: core.hooksPath is not set in '$(system_file)'" \
        "not installed: core.hooksPath in '$(system_file)' is not ours"
}

# --- made from now on ----------------------------------------------------------------------

# The template that `git init` and `git clone` copy: the one that is configured, or a copy of git's own with ours in it.
change_template() {
    require_git
    changed=false notes=''
    scope=--system
    [ "$(id -u)" -eq 0 ] || scope=--global
    template=$(git config "$scope" --type=path init.templateDir 2>/dev/null)
    own=$prefix/share/git-webhook/template
    $uninstall || require_installed
    [ -n "$template" ] || $uninstall || make_template
    template=${template:-$own}
    # What cannot be done for one hook shall be known before the other is changed.
    for name in post-receive pre-receive; do
        hook=$template/hooks/$name
        $uninstall || is_link_to post-receive "$hook" || ! exists "$hook" ||
            die "cannot link '$hook': the template has a hook of that name" "link each repository instead: --root DIR"
    done
    $uninstall || make_directory "$template/hooks"
    for name in post-receive pre-receive; do
        hook=$template/hooks/$name
        if ! $uninstall; then
            point "$hook" "$program"
        elif is_link_to post-receive "$hook"; then
            remove_file "$hook"
        fi
    done
    if $uninstall; then
        [ "$template" != "$own" ] || unset_template
        tell "removed the hooks from '$template'" "not installed: hooks in '$template'"
    else
        [ "$template" != "$own" ] || [ "$(git config "$scope" --type=path init.templateDir 2>/dev/null)" = "$own" ] ||
            change "set init.templateDir ($scope) to '$own'" git config "$scope" init.templateDir "$own"
        note "repositories that are there already are linked by --root DIR"
        tell "installed the hooks in the template of new repositories, '$template'" \
            "already installed: the hooks in '$template'"
    fi
}

unset_template() {
    [ -z "$(git config "$scope" init.templateDir 2>/dev/null)" ] ||
        change "remove init.templateDir ($scope)" git config "$scope" --unset-all init.templateDir
    ! exists "$own" || change "remove '$own'" rm -rf "$own"
    remove_above "$own"
}

# git does not say where its own lies; what it makes of it, it shows.
make_template() {
    [ ! -d "$own/hooks" ] || return 0
    change "copy git's own template to '$own'" copy_template
}

copy_template() {
    trial=$(mktemp -d) || return
    mkdir -p "$own" && git init -q --bare "$trial/git" &&
        (cd "$trial/git" && for entry in description hooks info branches; do
            [ ! -e "$entry" ] || cp -R "$entry" "$own" || exit
        done)
    outcome=$?
    rm -rf "$trial"
    return $outcome
}

#!/bin/sh
# Installs git-webhook on this machine and links its hooks into repositories.
#
# Reading order: main takes the command line apart; then come the programs (build and copy), the
# repositories (find, link, unlink, receive-report, purge), the demonstration, and the small words all of them use.
# The timer is a story of its own, in install/timer.sh; so are gitolite, and what is about many repositories at once.
# Every change to a disk but the demonstration's goes through `change`, so that --dry-run can
# tell it and leave it undone.
#
# shellcheck disable=SC2317 # functions that `change` and `trap` call look unused to it

set -u
# git silently skips a hook that its user cannot read.
umask 022

usage() {
    cat <<'END'
usage: install.sh [--prefix DIR] [--from DIR] [--post-receive-only | --receive-report] [--chain] [--dry-run] [REPO...]
   or: install.sh --link-only [--prefix DIR] [--post-receive-only | --receive-report] [--chain] [--dry-run] REPO...
   or: install.sh --root DIR | --system | --hooks-path | --template | --gitolite [--user NAME] [--from DIR] [--prefix DIR]
   or: install.sh --timer DIR [--reconcile] [--user NAME] [--prefix DIR] [--dry-run] [REPO...]
   or: install.sh --worker [--user NAME] [--from DIR] [--prefix DIR] [--dry-run]
   or: install.sh --uninstall [--prefix DIR] [--dry-run] [--purge [--yes]] [REPO...]
   or: install.sh --uninstall --timer DIR | --worker [--user NAME] [--dry-run]
   or: install.sh --demo [--from DIR]

Builds git-webhook with cargo, installs it, and links its hooks into each REPO, a bare
repository or a work tree: post-receive, which tells of a push, and pre-receive, which writes
down what is coming so that no push goes untold. A hook that is there already still runs: with
git 2.54 or newer ours runs beside it, by hook.webhook.command. An older git runs one hook of a
name: then a post-receive moves, if it is a shell script that cannot tell, and a pre-receive,
which may refuse pushes, is left alone, and ours left out.

    --prefix DIR           install below DIR (default: /usr/local if writable, else ~/.local)
    --from DIR             take the built programs from DIR, build nothing
    --quick                build programs that are built sooner, and start later
    --post-receive-only    leave pre-receive out, and remove ours if it is there
    --chain                move a pre-receive too, if it is such a script, and run it after ours
    --receive-report       link receive-report as well, where git knows that hook and a trial push
                           with it goes well: what it prints is what git tells the pusher
    --dry-run              tell every change and make none
    --link-only            link to the programs that are installed below the prefix already
    --root DIR             every repository below DIR
    --system               all repositories of this machine, by git's system configuration, with git 2.54 or newer:
                           the hooks of a repository run beside ours
    --hooks-path           the same with an older git, by core.hooksPath: each repository's own hooks run as before
    --template             the repositories that are made from now on, by init.templateDir
    --gitolite             gitolite's repositories, those made tomorrow too, by LOCAL_CODE: run it as gitolite's
                           user, or as root with --user NAME
    --timer DIR            have `git webhook flush --root DIR` run every minute: by systemd, or
                           else by cron. Without REPO, with the programs that are there already
    --reconcile            have the timer announce what moved without a hook too: mirrors, imports
    --worker               have `git webhook worker` run from the start of the machine on, by systemd; as root
                           with --user NAME. Without --from, with the programs that are there already
    --user NAME            run it as NAME, if root sets it up (default: the owner of the repositories
                           below DIR). As root it becomes the owner of each repository
    --uninstall            restore what each REPO had before; with --timer, --worker, --root, --system, --hooks-path,
                           --template or --gitolite, undo that; alone, remove the programs. What waits in a repository stays
    --purge                with --uninstall REPO: remove REPO/webhook too, with what waits, the log and
                           the secrets in it. Asks where deliveries would be lost
    --yes                  do not ask
    --demo                 show a real push that is delivered, and leave nothing behind
    --help                 show this text
END
}

main() {
    prefix='' from='' demo=false dry_run=false link_only=false uninstall=false ways='' root=''
    post_receive_only=false receive_report=false chain=false quick=false timer='' worker='' timer_user='' purge=false yes=false reconcile=''
    terminal=${INSTALL_SH_TERMINAL-$([ -t 0 ] && echo true || echo false)}

    # Each turn takes an argument off the front and puts a REPO back at the end, so that an
    # option counts wherever it stands: `install.sh REPO --dry-run` must change nothing.
    wants_value='' options_ended=false
    for argument in "$@"; do
        shift
        if [ -n "$wants_value" ]; then
            set_value "$wants_value" "$argument"
            wants_value=''
        elif $options_ended; then
            set -- "$@" "$argument"
        else
            case $argument in
            --prefix | --from | --timer | --user | --root) wants_value=$argument ;;
            --prefix=* | --from=* | --timer=* | --user=* | --root=*) set_value "${argument%%=*}" "${argument#*=}" ;;
            --post-receive-only) post_receive_only=true ;;
            --chain) chain=true ;;
            --quick) quick=true ;;
            --system | --hooks-path | --template | --gitolite) ways="$ways ${argument#--}" ;;
            --worker) worker=yes ;;
            --receive-report) receive_report=true ;;
            --reconcile) reconcile=' --reconcile' ;;
            --dry-run) dry_run=true ;;
            --link-only) link_only=true ;;
            --uninstall) uninstall=true ;;
            --purge) purge=true ;;
            --yes) yes=true ;;
            --demo) demo=true ;;
            --help | -h) usage && exit ;;
            --) options_ended=true ;;
            -*) usage_error "unknown option '$argument'" ;;
            *) set -- "$@" "$argument" ;;
            esac
        fi
    done
    [ -z "$wants_value" ] || set_value "$wants_value" ''
    check_combination "$#"

    is_root=false runs=false driver_sum=''
    [ "$(id -u)" -ne 0 ] || is_root=true
    find_checkout
    forget_callers_repository
    if $demo; then
        demonstrate
        exit
    fi
    [ "$#$root" = 0 ] || require_git
    choose_prefix
    if $uninstall; then
        [ "$#$timer$worker$root$ways" != 0 ] || uninstall_programs
    elif ! $link_only && { [ -z "$timer$worker" ] || [ "$#$from$root$ways" != 0 ]; }; then
        provide_programs
        install_programs
        warn_about_path
    fi
    status=0
    for way in $ways; do (go_way) || status=1; done
    for_each_repository "$@"
    [ -z "$root" ] || for_each_below_root
    [ -z "$timer" ] || (visit_timer) || status=1
    [ -z "$worker" ] || (visit_worker) || status=1
    exit "$status"
}

# Of those that are about many repositories at once.
go_way() {
    case $way in
    gitolite) read_part gitolite && change_gitolite ;;
    system) read_part everywhere && change_system ;;
    hooks-path) read_part everywhere && change_hooks_path ;;
    template) read_part everywhere && change_template ;;
    esac
}

set_value() {
    case $1,$2 in
    --user,) usage_error "option '$1' needs a name" ;;
    *,) usage_error "option '$1' needs a directory" ;;
    --prefix,*) prefix=$2 ;;
    --from,*) from=$2 ;;
    --root,*) root=$2 ;;
    --timer,*) timer=$2 ;;
    --user,*) timer_user=$2 ;;
    esac
}

check_combination() {
    if [ "$1" -eq 0 ] && ! $demo && ! $uninstall && [ -z "$prefix$from$timer$worker$root$ways" ]; then
        usage_error "name a repository, or --root DIR for all below it, or --prefix DIR to install the programs alone"
    elif $demo && { $dry_run || $link_only || $uninstall || [ -n "$prefix$timer$worker$root$ways" ] || [ "$1" -gt 0 ]; }; then
        usage_error "'--demo' takes no more than '--from'"
    fi
    # What is said of repositories holds for those below a directory too.
    [ -z "$root" ] || set -- $(($1 + 1))
    if $post_receive_only && { $uninstall || [ "$1" -eq 0 ]; }; then
        usage_error "'--post-receive-only' takes repositories, and not '--uninstall'"
    elif $receive_report && { $uninstall || $post_receive_only || [ "$1" -eq 0 ]; }; then
        usage_error "'--receive-report' takes repositories, and neither '--post-receive-only' nor '--uninstall'"
    elif $chain && { $uninstall || [ "$1" -eq 0 ]; }; then
        usage_error "'--chain' takes repositories, and not '--uninstall'"
    elif $link_only && { $uninstall || [ -n "$from" ] || [ "$1$ways" = 0 ]; }; then
        usage_error "'--link-only' takes repositories, and neither '--from' nor '--uninstall'"
    elif $uninstall && [ -n "$from" ]; then
        usage_error "'--uninstall' does not take '--from'"
    elif $quick && { $uninstall || $link_only || [ -n "$from" ]; }; then
        usage_error "'--quick' is about building, and takes neither '--from' nor '--link-only' nor '--uninstall'"
    elif [ -n "$timer_user" ] && [ -z "$timer$worker" ] && [ "$ways" = "${ways#*gitolite}" ]; then
        usage_error "'--user' takes '--timer', '--worker' or '--gitolite'"
    elif [ -n "$reconcile" ] && { $uninstall || [ -z "$timer" ]; }; then
        usage_error "'--reconcile' takes '--timer', and not '--uninstall'"
    elif $purge && { ! $uninstall || [ "$1" -eq 0 ]; }; then
        usage_error "'--purge' takes '--uninstall' and repositories"
    elif $yes && ! $purge; then
        usage_error "'--yes' takes '--purge'"
    fi
}

find_checkout() {
    case $0 in
    */*) checkout=$(absolute "${0%/*}") ;;
    *) checkout=$(absolute .) ;;
    esac
}

# They are set when a hook or a git alias started this, and would make git look elsewhere.
forget_callers_repository() {
    command -v git >/dev/null || return 0
    for variable in $(git rev-parse --local-env-vars); do
        unset "$variable"
    done
}

choose_prefix() {
    if [ -n "$prefix" ]; then
        prefix=$(absolute "$prefix")
    elif can_write /usr/local/bin && can_write /usr/local/libexec; then
        prefix=/usr/local
    else
        [ -n "${HOME-}" ] || die "cannot choose a prefix: HOME is not set" "use --prefix DIR"
        prefix=$HOME/.local
    fi
    refuse_line_break "$prefix"
    libexec=$prefix/libexec/git-webhook
    program=$libexec/post-receive
    driver=$libexec/driver
    completion=$prefix/share/bash-completion/completions/git-webhook
    zsh_completion=$prefix/share/zsh/site-functions/_git-webhook
    fish_completion=$prefix/share/fish/vendor_completions.d/git-webhook.fish
    templates=$prefix/share/git-webhook/templates
}

# --- the programs --------------------------------------------------------------------------

# Sets $programs, the directory that holds them built.
provide_programs() {
    if [ -n "$from" ]; then
        programs=$(absolute "$from")
        for name in post-receive git-webhook; do
            [ -x "$programs/$name" ] || die "cannot find the program '$name' in '$from'"
        done
        return
    fi
    # Asked before the build and not after it: that takes minutes.
    $demo || can_write "$libexec" || die "cannot write to '$prefix'" \
        "run this as root, or use --prefix DIR with a directory of yours"
    require_build_tools
    target=$(absolute "${CARGO_TARGET_DIR:-$checkout/target}")
    profile=--release programs=$target/release
    ! $quick || profile='--profile=quick' programs=$target/quick
    $dry_run || build || die "cannot run 'cargo build $profile --locked' in '$checkout'" \
        "without a network, or where building fails: build elsewhere, and use --from DIR with the programs from target/release"
    ! $dry_run || say "would run 'cargo build $profile --locked' in '$checkout'"
}

build() {
    say "building git-webhook with cargo build $profile --locked; the first time takes minutes"
    began=$(date +%s)
    (cd "$checkout" && cargo build "$profile" --locked --target-dir "$target") &&
        [ -x "$programs/post-receive" ] && [ -x "$programs/git-webhook" ] &&
        say "built in $(($(date +%s) - began)) seconds"
}

require_git() {
    version=$(git --version 2>/dev/null) || die "cannot find 'git' on PATH: 2.31 or newer is needed" \
        "Debian, Ubuntu: sudo apt install git" \
        "Fedora: sudo dnf install git" \
        "Alpine: sudo apk add git"
    version=${version#git version }
    at_least "$version" 2.31 || die "cannot use git '$version': 2.31 or newer is needed"
}

# Tells everything that is missing at once.
require_build_tools() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$checkout/Cargo.toml" 2>/dev/null)
    [ -n "$wanted" ] || die "cannot build: '$checkout' is not a checkout of git-webhook" \
        "use --from DIR with a directory of built programs"
    missing=false
    require_rust
    require_compiler
    if $missing; then
        hint "or build elsewhere, and use --from DIR with the programs from target/release"
        exit 1
    fi
}

require_rust() {
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        missing=true
        error "cannot find 'cargo' and 'rustc' on PATH: building needs Rust $wanted or newer" \
            "see https://rustup.rs" \
            "Debian 13, Ubuntu 24.04: sudo apt install rustup && rustup default stable" \
            "Fedora: sudo dnf install cargo" \
            "Alpine: sudo apk add cargo"
        [ -z "${SUDO_USER-}" ] ||
            hint "sudo hides what is in your home: run 'cargo build --release --locked' without it first"
        return
    fi
    # Run in the checkout, where rustup looks for the toolchain to use.
    version=$(cd "$checkout" && rustc --version)
    version=${version#rustc }
    version=${version%% *}
    if ! at_least "$version" "$wanted"; then
        missing=true
        error "cannot build with rustc '$version': Rust $wanted or newer is needed" \
            "rustup update stable (see https://rustup.rs)"
    fi
}

require_compiler() {
    if ! command -v cc >/dev/null; then
        missing=true
        error "cannot find 'cc' on PATH: building needs a C compiler" \
            "Debian, Ubuntu: sudo apt install gcc libc6-dev" \
            "Fedora: sudo dnf install gcc" \
            "Alpine: sudo apk add gcc musl-dev"
    fi
}

install_programs() {
    changed=false notes=''
    make_directory "$prefix/bin"
    make_directory "$libexec"
    install_file 755 "$programs/git-webhook" "$prefix/bin/git-webhook"
    install_file 755 "$programs/post-receive" "$program"
    install_file 755 "$checkout/hooks/driver" "$driver"
    install_manual 1
    install_manual 5
    make_directory "${completion%/*}"
    install_file 644 "$checkout/completions/git-webhook.bash" "$completion"
    make_directory "${zsh_completion%/*}"
    install_file 644 "$checkout/completions/git-webhook.zsh" "$zsh_completion"
    make_directory "${fish_completion%/*}"
    install_file 644 "$checkout/completions/git-webhook.fish" "$fish_completion"
    make_directory "$templates"
    for template in "$checkout"/docs/templates/*; do
        install_file 644 "$template" "$templates/${template##*/}"
    done
    tell "installed the programs in '$prefix'" "already installed: the programs in '$prefix'"
}

install_manual() {
    section=$1
    set -- "$checkout"/man/*."$section"
    [ -f "$1" ] || return 0
    make_directory "$prefix/share/man/man$section"
    for page in "$@"; do
        install_file 644 "$page" "$prefix/share/man/man$section/${page##*/}"
    done
}

install_file() {
    [ ! -d "$3" ] || die "cannot install '$3': it is a directory"
    cmp -s "$2" "$3" || change "install '$3'" replace_file "$@"
}

# By a new file under the old name: a hook that is running goes on with the old one.
replace_file() {
    temporary=${3%/*}/.git-webhook.$$
    cp "$2" "$temporary" && chmod "$1" "$temporary" && mv -f "$temporary" "$3" && return
    rm -f "$temporary"
    return 1
}

warn_about_path() {
    case :$PATH: in
    *":$prefix/bin:"*) ;;
    *)
        warning "'$prefix/bin' is not on PATH, where 'git webhook' needs it" \
            "add to your ~/.profile: PATH=\"\$PATH:$prefix/bin\""
        ;;
    esac
}

uninstall_programs() {
    changed=false notes=''
    # Every push on this machine would speak of what is gone, or miss the hooks that it had.
    ! is_our_hooks_path "$(git config --system core.hooksPath 2>/dev/null)" ||
        die "cannot remove the programs: core.hooksPath has all repositories run them" "first: $0 --uninstall --hooks-path"
    for key in hook.webhook hook.git-webhook; do
        case $(git config --system "$key.command" 2>/dev/null) in
        *"/libexec/git-webhook/post-receive' || :")
            die "cannot remove the programs: $key has all repositories run them" "first: $0 --uninstall --system" ;;
        esac
    done
    remove_file "$prefix/bin/git-webhook"
    remove_file "$program"
    remove_file "$driver"
    for page in "$checkout"/man/*.1 "$checkout"/man/*.5; do
        remove_file "$prefix/share/man/man${page##*.}/${page##*/}"
    done
    remove_file "$completion"
    remove_file "$zsh_completion"
    remove_file "$fish_completion"
    remove_templates
    tell "removed the programs from '$prefix'" "not installed: the programs in '$prefix'"
    if $changed; then
        warning "repositories that are linked to it still tell of no push now, and git does not say so" \
            "the hooks that were there before run on, except below a hook that is a link to '$driver'" \
            "find them: find /srv/git -type l -path '*/hooks/*' -exec ls -l {} + | grep /libexec/git-webhook/" \
            "restore what they had: $0 --uninstall REPO..."
    fi
    [ ! -d "$libexec" ] || change "remove '$libexec'" rmdir "$libexec"
    read_timer_part
    warn_about_timers
}

# Those that somebody has put beside ours stay.
remove_templates() {
    others=false
    for template in "$templates"/* "$templates"/.[!.]*; do
        if [ -f "$checkout/docs/templates/${template##*/}" ]; then
            remove_file "$template"
        elif exists "$template"; then
            others=true
        fi
    done
    $others || [ ! -d "$templates" ] || {
        change "remove '$templates'" rmdir "$templates"
        remove_above "$templates"
    }
}

# --- the timer -----------------------------------------------------------------------------

visit_timer() {
    read_timer_part
    if $uninstall; then
        uninstall_timer
    else
        install_timer
    fi
}

# --- the worker ----------------------------------------------------------------------------

visit_worker() {
    # Both speak of units.
    read_part timer
    read_part worker
    if $uninstall; then
        uninstall_worker
    else
        install_worker
    fi
}

read_timer_part() { read_part timer; }

# In a process of another user its text came along.
read_part() {
    # shellcheck source=install/timer.sh
    command -v "change_$1" >/dev/null || . "$checkout/install/$1.sh"
}

# --- the repositories ----------------------------------------------------------------------

# Each in a subshell, so that what stops one leaves the others to be done. Sets $status then.
for_each_repository() {
    sum_driver
    # Once for all that are ours.
    runs=false
    $uninstall || $dry_run || ! program_runs || runs=true
    while [ $# -gt 0 ]; do
        same=1
        ! $is_root || count_same_owner "$@"
        if [ "$same" -gt 1 ]; then
            # To become somebody takes longer than to link.
            (visit_as_owner "$@") || status=1
        else
            (visit "$1") || status=1
        fi
        shift "$same"
    done
}

# Sets $same, how many of the first belong to one user who is not root: to one of those alone, 1.
count_same_owner() {
    same=0 first=''
    for repository in "$@"; do
        [ -d "$repository" ] || break
        case $repository$PWD in *[[:cntrl:]]*) break ;; esac
        repository=$(absolute "$repository")
        find_owner
        [ "$owner" -ne 0 ] || break
        [ "$owner $group" = "${first:-$owner $group}" ] || break
        first="$owner $group"
        same=$((same + 1))
    done
    [ "$same" -gt 0 ] || same=1
}

# visit_as_owner REPO...: the first $same of them.
visit_as_owner() {
    taken=0
    for repository in "$@"; do
        shift
        [ "$taken" -lt "$same" ] || continue
        taken=$((taken + 1))
        set -- "$@" "$(absolute "$repository")"
    done
    repository=$1
    find_owner
    start_again_as_owner "$@"
}

for_each_below_root() {
    read_part everywhere
    found=$(find_below_root) || { status=1 && return; }
    [ -n "$found" ] || { error "there is no repository below '$root'" && status=1; }
    # A line each, and no more words in it.
    set -f
    old_words=$IFS IFS='
'
    # shellcheck disable=SC2086 # as above
    set -- $found
    IFS=$old_words
    set +f
    for_each_repository "$@"
}

visit() {
    refuse_line_break "$1"
    refuse_line_break "$PWD"
    [ -d "$1" ] || die "not a git repository: '$1'"
    repository=$(absolute "$1")
    [ -n "$driver_sum" ] || sum_driver
    find_owner
    if $is_root && [ "$owner" -ne 0 ]; then
        start_again_as_owner "$repository"
        return
    fi
    find_hooks
    if ! $uninstall && ! $dry_run; then
        require_program
        require_for_members
    fi
    changed=false notes=''
    if $purge; then
        find_kept_state
        unlink_hooks
        remove_kept_state
    elif $uninstall; then
        ! exists "$common/webhook" ||
            note "'$common/webhook' stays, with what waits to be sent, the log and secrets; --purge removes it"
        unlink_hooks
    else
        (rehearse >/dev/null) || exit
        ! $receive_report || require_receive_report
        link_hooks
        take_snapshot
    fi
}

# Sets $driver_sum, by which a copy is up to date. In a dry run that is the driver which would be
# installed, and the owner, whom root becomes, may not be able to read it.
sum_driver() {
    original=$driver
    ! $dry_run || $link_only || original=$checkout/hooks/driver
    driver_sum=${INSTALL_SH_DRIVER_SUM-$(cksum 2>/dev/null <"$original")}
}

# The refs as they are count as told: `git webhook reconcile` finds what no hook tells from here on.
take_snapshot() {
    ! exists "$common/webhook/refs" || return 0
    if $dry_run; then
        say "would create '$common/webhook' and a snapshot of the refs in it, '$common/webhook/refs'"
        return 0
    fi
    GIT_DIR=. "$prefix/bin/git-webhook" reconcile --baseline </dev/null >/dev/null ||
        warning "cannot take a snapshot of the refs of '$repository'" \
            "mend that, and in the repository: git webhook reconcile --baseline"
}

# Sets $owner and $group, the numbers of who owns the place where the links will be.
find_owner() {
    place=$repository
    [ ! -e "$place/.git" ] || place=$place/.git
    [ ! -d "$place/hooks" ] || place=$place/hooks
    # shellcheck disable=SC2012 # stat is not the same command everywhere
    numbers=$(ls -ndL "$place" | awk 'NR == 1 { print $3, $4 }')
    owner=${numbers% *} group=${numbers#* }
}

# Root does not walk paths that another user can swap under it; what is made in the repository
# shall be its owner's; and it is the owner's git configuration that says where the hooks lie.
# This script goes in by standard input because its file may be out of the owner's reach.
start_again_as_owner() {
    entry=$(getent passwd "$owner")
    user=${entry%%:*}
    home=$(printf %s "$entry" | cut -d : -f 6)
    if $uninstall; then
        options=--uninstall
        ! $purge || options="$options --purge"
        ! $yes || options="$options --yes"
    else
        options=--link-only
        ! $post_receive_only || options="$options --post-receive-only"
        ! $chain || options="$options --chain"
        ! $receive_report || options="$options --receive-report"
    fi
    by_hand="$0 $options --prefix '$prefix' '$1'"
    ! $dry_run || options="$options --dry-run"
    first=$1
    # shellcheck disable=SC2086 # they are several words
    set -- sh -s -- $options --prefix "$prefix" -- "$@"
    # A prompt can be read from the terminal, which standard input is not any more.
    set -- env HOME="$home" INSTALL_SH_DRIVER_SUM="$driver_sum" INSTALL_SH_TERMINAL="$terminal" "$@"
    unset XDG_CONFIG_HOME
    find_way || die "cannot become user number $owner, the owner of '$first'" \
        "run this as that user: $by_hand"
    become "$@" <"$checkout/${0##*/}"
}

# Sets $way, by which root becomes $owner, whose name is $user if there is one.
find_way() {
    way=setpriv
    (become true) 2>/dev/null && return
    way=su
    [ -n "$user" ] && (become true) 2>/dev/null
}

# become COMMAND...
become() {
    groups=--init-groups
    [ -n "$user" ] || groups=--clear-groups
    # The owner may not be allowed to stand where root stands.
    cd /
    if [ "$way" = setpriv ]; then
        setpriv --reuid="$owner" --regid="$group" "$groups" "$@"
    else
        # shellcheck disable=SC2016 # the inner shell is the one to fill it in
        su -s /bin/sh "$user" -c '"$@"' -- sh "$@"
    fi
}

# Sets $hooks, the directory where git looks for hooks when this repository is pushed to. git
# is told the directory instead of searching upwards: a wrong path must not hit the repository
# that is around it.
find_hooks() {
    git_dir=$repository
    [ ! -e "$repository/.git" ] || git_dir=$repository/.git
    found=$(GIT_DIR=$git_dir git rev-parse --absolute-git-dir 2>&1) ||
        die "cannot use '$repository': ${found#fatal: }"
    # Whatever git warns of stands before it.
    git_dir=${found##*
}
    # From here receive-pack starts hooks, so from here a relative core.hooksPath counts.
    cd "$git_dir" || exit
    places=$(git_here rev-parse --path-format=absolute --git-common-dir --git-path hooks)
    common=${places%
*} hooks=${places#*
}
    case $hooks in
    "$common"/*) ;;
    *) refuse_shared_hooks ;;
    esac
}

# GIT_WORK_TREE keeps git from leaving the directory for the one in core.worktree.
git_here() {
    GIT_DIR=. GIT_WORK_TREE=. git "$@"
}

# Whether core.hooksPath leads where --hooks-path has it lead, below any prefix.
is_our_hooks_path() {
    case $1 in */libexec/git-webhook/hooks) ;; *) return 1 ;; esac
}

refuse_shared_hooks() {
    if is_our_hooks_path "$hooks"; then
        $uninstall || { say "already installed: the hooks of '$repository', by core.hooksPath for all repositories" && exit; }
        die "cannot remove the hooks of '$repository': core.hooksPath has all repositories run them" \
            "for all: $0 --uninstall --hooks-path" \
            "for this one: git --git-dir='$git_dir' config core.hooksPath '$common/hooks'"
    fi
    if configured=$(git_here config --show-scope core.hooksPath); then
        cause="core.hooksPath ($(printf %s "$configured" | cut -f 1)) puts them"
    else
        cause="a symbolic link puts them"
    fi
    error "cannot change the hooks of '$repository': $cause outside of it, in '$hooks'"
    if ! $uninstall; then
        hint "for all repositories that use them: ln -s '$program' '$hooks/post-receive'"
        $post_receive_only || hint "and: ln -s '$program' '$hooks/pre-receive'"
        hint "for this one, first: git --git-dir='$git_dir' config core.hooksPath '$common/own-hooks'"
    fi
    exit 1
}

# Asked as the user who will run it: a prefix below a home directory may be closed to others.
require_program() {
    { [ -x "$program" ] && [ -r "$driver" ]; } ||
        die "cannot link '$repository': '$program' is not there for its owner to run" \
            "install it where everyone can read it, such as --prefix /usr/local"
    # As pre-receive it would refuse every push.
    $runs || program_runs || die "cannot link '$repository': '$program' does not run" \
            "see what this says: '$program' --version"
}

program_runs() { "$program" --version </dev/null >/dev/null 2>&1; }

# git passes over a hook that whoever pushes cannot run, and says so in a hint at most.
require_for_members() {
    case $(git_here config core.sharedRepository) in
    '' | false | umask | 0 | no | off | 0[0-7]00) return ;;
    esac
    # shellcheck disable=SC2012 # as above
    members=$(ls -ndL "$common" | awk '{ print $4 }')
    for place in "$program" "$(readlink -f "$program")"; do
        require_open "$place"
    done
}

require_open() {
    place=$1
    while [ -n "$place" ]; do
        # The group's x and the others', which may be s and t.
        # shellcheck disable=SC2012 # as above
        ls -ndL "$place" | awk -v members="$members" '{
            group = substr($1, 7, 1); others = substr($1, 10, 1)
            exit !(others ~ /[xt]/ || ($4 == members && group ~ /[xs]/))
        }' || die "cannot link '$repository': other members of its group cannot run '$program', for '$place' is closed to them" \
            "run this as root, or with --prefix in a place that is open to them, such as /usr/local"
        place=${place%/*}
    done
}

# What cannot be done for one hook shall be known before the other is changed.
rehearse() {
    dry_run=true
    link_hooks
}

# At no moment ours is pre-receive without post-receive, which takes up what was written down.
link_hooks() {
    if $post_receive_only; then
        unlink_receive_report
        unlink_hook pre-receive
        link_hook post-receive
        tell "installed the post-receive hook of '$repository'" \
            "already installed: the post-receive hook of '$repository'"
    else
        link_hook post-receive
        link_hook pre-receive
        link_receive_report
        tell "installed the hooks of '$repository'" "already installed: the hooks of '$repository'"
    fi
}

unlink_hooks() {
    unlink_receive_report
    unlink_hook pre-receive
    unlink_hook post-receive
    tell "removed the hooks of '$repository'" "not installed: the hooks of '$repository'"
}

# Afterwards git runs our program as the hook of this name, in one of four ways:
#   hooks/NAME -> program                            no other hook was there
#   hooks/NAME, a copy of the driver, and
#   hooks/NAME.d/00-git-webhook -> program           beside the hook that was there
#   hooks/NAME.d/00-git-webhook -> program           the hook that was there is a driver itself
#   hook.webhook.command in the configuration        git runs it beside the hook that was there
# The program is one for all hooks: NAME in the path it is started by tells it which one it is.
link_hook() {
    name_hook "$1"
    refuse_odd_places
    if is_by_gitolite; then
        return
    elif is_link_to post-receive "$hook" || is_link_to_command; then
        point "$hook" "$program"
    elif is_driver; then
        make_directory "$entries"
        place_driver
        point "$ours" "$program"
    elif is_link_to post-receive "$ours" && exists "$hook"; then
        point "$ours" "$program"
        if is_edited_driver; then
            note "'$hook' stays as it is: it is a copy of the driver that was edited"
        elif ! is_somebodys_driver; then
            note "ours runs only if '$hook' runs the files in '$entries'; look whether it does"
        fi
    elif is_link_to post-receive "$ours"; then
        point "$ours" "$program"
        place_driver
    elif ! exists "$hook"; then
        make_directory "$hooks"
        point "$hook" "$program"
    else
        stand_beside_hook
    fi
}

# Whether gitolite has linked ours into the repository (--gitolite). Whatever else it links there, it does so again.
is_by_gitolite() {
    [ -L "$hook" ] || return 1
    case $(readlink "$hook") in
    */hooks/common/"$hook_name") ;;
    *) return 1 ;;
    esac
    is_link_to post-receive "$(readlink "$hook")" ||
        refuse_hook "cannot link '$hook': gitolite puts a hook of its own there at each gitolite setup" \
            "for all of its repositories: $0 --gitolite" \
            "for this one alone, among its repo-specific hooks: $(line_for_gitolite)"
}

# git-webhook is the command, and as a hook it would refuse every push.
# Another program of that name may be somebody's verdict.
is_link_to_command() {
    [ -L "$hook" ] && case $(readlink "$hook") in */bin/git-webhook) ;; *) false ;; esac &&
        grep -qsa 'post-receive (git-webhook) ' "$hook"
}

# The hook that was there may be a verdict: what refuses pushes today refuses them tomorrow.
stand_beside_hook() {
    if ! $chain && knows_configured_hooks; then
        configure_hook
    elif ! $chain && [ "$hook_name" = pre-receive ]; then
        leave_hook
    elif why=$(moves_unseen); then
        refuse_unclear_entries
        refuse_links_to_hook
        keep_hook
    else
        refuse_hook "cannot move '$hook': $why, and would perhaps not do what it does now" \
            "it can stay where it is: $(line_for_owner)"
    fi
}

# git runs hooks from its configuration beside those in the directory (git-hook(1)).
knows_configured_hooks() {
    at_least "$(git --version | sed 's/^git version //')" 2.54
}

configure_hook() {
    file=$common/config
    choose_configured_name
    [ "$(git_here config --type=bool "$key.enabled" 2>/dev/null)" != false ] ||
        refuse_hook "cannot configure a hook beside '$hook': $key.enabled switches it off" \
            "if it is to run: git --git-dir '$git_dir' config $key.enabled true"
    [ "$(git config --file "$file" "$key.command")" = "$command" ] ||
        change "set $key.command in '$file'" git config --file "$file" "$key.command" "$command"
    git config --file "$file" --get-all "$key.event" 2>/dev/null | grep -qx "$hook_name" ||
        change "set $key.event in '$file'" git config --file "$file" --add "$key.event" "$hook_name"
    note "'$hook' stays as it is: git runs ours beside it, by $key.command"
}

# Sets $key and $command. The name may be somebody else's already, in any file that git reads here.
choose_configured_name() {
    # Whatever becomes of ours, it is nobody's verdict.
    command="$(quote "$program") || :"
    for key in hook.webhook hook.git-webhook; do
        case $(git_here config "$key.command") in
        *"/libexec/git-webhook/post-receive' || :") return ;;
        '') git_here config --get-regexp "^$key\\." >/dev/null || return ;;
        esac
    done
    refuse_hook "cannot configure a hook beside '$hook': hook.webhook and hook.git-webhook are somebody else's"
}

# Ours in the configuration, for one hook.
unconfigure_hook() {
    file=$common/config
    for key in hook.webhook hook.git-webhook; do
        case $(git config --file "$file" "$key.command") in
        *"/libexec/git-webhook/post-receive' || :") ;;
        *) continue ;;
        esac
        git config --file "$file" --get-all "$key.event" 2>/dev/null | grep -qx "$hook_name" || continue
        if [ "$(git config --file "$file" --get-all "$key.event")" = "$hook_name" ]; then
            change "remove $key from '$file'" git config --file "$file" --remove-section "$key"
        else
            change "remove '$hook_name' from $key.event in '$file'" \
                git config --file "$file" --unset-all "$key.event" "^$hook_name\$"
        fi
    done
}

leave_hook() {
    note "'$hook' stays as it is, and ours is left out: a push whose client goes away before post-receive is told
      only by git webhook reconcile. $(line_for_owner)"
    ! moves_unseen >/dev/null || note "--chain moves that hook to '$entries', and runs it from there after ours"
}

line_for_owner() {
    # shellcheck disable=SC2016 # it stands there like this
    if grep -qsF "$hook_name.d" "$hook"; then
        say "if it hands what it reads to each of the files in '$entries', ours can be one of them: ln -s '$program' '$ours'"
    elif is_gitolites; then
        say "gitolite writes that hook: put ours among its repo-specific hooks, $(line_for_gitolite)"
    else
        # shellcheck disable=SC2016 # whoever runs the hook is to fill it in
        say "in a shell script, have this as its second line: [ \"\${GIT_WEBHOOK-}\" = \"\$PWD/\$0\" ] || [ ! -x $(quote "$driver") ] || GIT_WEBHOOK=\$PWD/\$0 exec $(quote "$driver") --before $(quote "$program") \"\$0\" \"\$@\""
    fi
}

line_for_gitolite() {
    say "ln -s '$program' LOCAL_CODE/hooks/repo-specific/webhook, and name it in gitolite.conf: option hook.$hook_name = webhook"
}

# Its drivers run hooks/NAME.*, whatever that is.
is_gitolites() {
    # shellcheck disable=SC2016 # it stands there like this
    grep -qsF -e '$0.*' -e gitolite "$hook"
}

# Whether the hook does the same under another name in another directory: a shell script of which
# no word could tell it where it is or how it is called. Says why not.
moves_unseen() {
    is_shell_script || { say "it is no shell script" && return 1; }
    # Comments do nothing; the first line was looked at.
    # shellcheck disable=SC2016 # words of scripts
    words='\$\{?0|\$\{?_|\$\$|PPID|LINENO|/[^[:space:]]*[*?]|[*?][^[:space:]]*/|BASH_SOURCE|BASH_ARGV|ZSH_|%x|dirname|basename|readlink|realpath|/proc/|caller|hooks|(pre|post)-receive|\.d\b|(^|[^a-z])ps([^a-z]|$)|\$\{[!@]|sh\.file|eval|(^|[;&|({[:space:]])(\.|source)[[:space:]]'
    found=$(sed '1d; /^[[:space:]]*#/d' "$hook" | grep -oE -m 1 "$words" | head -n 1)
    [ -z "$found" ] || { say "it has '$found', by which it may find things beside itself" && return 1; }
}

is_shell_script() {
    [ -f "$hook" ] || return 1
    # A NUL is no text.
    [ "$(tr -d '\000' <"$hook" | cksum)" = "$(cksum <"$hook")" ] || return 1
    # A word behind the shell would be another script.
    sed -n '1{p;q;}' "$hook" | grep -qE '^#! *(/[a-z/]*/|/usr/bin/env )(ba|da|k|a|)sh( -[a-zA-Z]+)*$'
}

# For a shell.
quote() {
    printf "'%s'\n" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

# Sets the paths that belong to a hook, and clears what is found out about it.
name_hook() {
    hook_name=$1
    hook=$hooks/$1
    entries=$hooks/$1.d
    ours=$entries/00-git-webhook
    kept=''
}

refuse_odd_places() {
    [ ! -d "$hook" ] || refuse_hook "cannot link '$hook': it is a directory"
    [ ! -L "$entries" ] || refuse_hook "cannot link into '$entries': it is a symbolic link"
    is_link_to post-receive "$ours" || ! exists "$ours" ||
        refuse_hook "cannot link '$ours': another file has that name"
}

# refuse_hook WHAT [HINT...]
refuse_hook() {
    error "$@"
    $post_receive_only || [ "$hook_name" = post-receive ] ||
        hint "or link without it: --post-receive-only"
    exit 1
}

# Begins the last line of a copy of the driver.
mark='# git-webhook driver: '

# Earlier versions of this script made links.
is_driver() { is_link_to driver "$hook" || is_copy; }

# A copy whose lines are as they were copied, of whatever version. Sets $copied_sum.
is_copy() {
    has_mark || return 1
    copied_sum=$(sed -n "\$s/^$mark\([0-9]* [0-9]*\).*/\1/p" "$hook")
    [ "$copied_sum" = "$(sed '$d' "$hook" | cksum)" ]
}

# An administrator's change may be one that refuses pushes, so it is not written over.
is_edited_driver() { has_mark && ! is_copy; }

has_mark() { [ -f "$hook" ] && [ ! -L "$hook" ] && grep -qs "^$mark" "$hook"; }

# A copy and not a link: git passes over a link that leads nowhere, or where the pusher has no
# access, and with it over the kept hook, which may be there to refuse pushes.
place_driver() {
    { [ -x "$hook" ] && is_copy && [ "$copied_sum" = "$driver_sum" ]; } ||
        change "put a copy of the driver in the place of '$hook'" copy_driver "$driver"
}

# In one step, as replace_file does.
copy_driver() {
    temporary=$hooks/.git-webhook.$$
    {
        cat "$1" && say "$mark$(cksum <"$1") is the cksum of the lines above; install.sh leaves edited ones"
    } >"$temporary" && chmod 755 "$temporary" && mv -f "$temporary" "$hook" && return
    rm -f "$temporary"
    return 1
}

is_somebodys_driver() {
    [ -x "$hook" ] && grep -qF "$hook_name.d" "$hook"
}

# Either the hook runs them in a way we do not see, or they are off and must stay off.
refuse_unclear_entries() {
    no_entry_runs ||
        refuse_hook "cannot link '$hook': another hook has that name, and '$entries' is in use" \
            "if that hook runs the files there, add ours: ln -s '$program' '$ours'" \
            "if nothing runs them, move '$entries' away and run this again"
}

# Such a link would lead to the driver from now on, and what the old hook did under that name,
# to refuse pushes perhaps, would be gone unseen.
refuse_links_to_hook() {
    # shellcheck disable=SC2012 # as above
    [ -L "$hook" ] || [ "$(ls -ld "$hook" | awk '{ print $2 }')" = 1 ] ||
        refuse_hook "cannot link '$hook': it is another file as well, by a hard link" \
            "put a copy in its place and run this again"
    here=$(cd "$hooks" && pwd -P)/$hook_name
    for other in "$hooks"/* "$hooks"/*.d/*; do
        target=$(readlink "$other") || continue
        case $target in
        */*) beside=${target%/*}/ ;;
        *) beside='' ;;
        esac
        # However it is spelt.
        case $(cd "${other%/*}" && cd "${beside:-.}" 2>/dev/null && pwd -P)/${target##*/} in
        "$here")
            refuse_hook "cannot link '$hook': it is another hook as well, by the link '$other'" \
                "put a copy in that link's place and run this again"
            ;;
        esac
    done
}

# The old hook gets its new name before the driver takes the old one, so that no push meets
# neither of them.
keep_hook() {
    trap '' HUP INT TERM
    make_directory "$entries"
    number=50
    while exists "$entries/$number-local"; do number=$((number + 1)); done
    kept=$entries/$number-local
    if [ -L "$hook" ]; then
        change "keep '$hook' as '$kept'" ln -s "$(from_below "$(readlink "$hook")")" "$kept"
    else
        change "keep '$hook' as '$kept'" link_or_move "$hook" "$kept"
    fi
    # What fails half way leaves the hook where it was.
    (place_driver && point "$ours" "$program") || put_back_hook
    note "the hook that was there is '$kept' now and runs after ours"
}

put_back_hook() {
    rm -f "$ours"
    if [ -L "$kept" ]; then
        replace_link "$hook" "$(from_above "$(readlink "$kept")")" && rm -f "$kept"
    else
        mv -f "$kept" "$hook"
    fi || die "cannot put '$hook' back, which is '$kept' now" "mv '$kept' '$hook'"
    rmdir "$entries" 2>/dev/null
    exit 1
}

# Not every file system has hard links.
link_or_move() {
    ln "$1" "$2" 2>/dev/null || mv "$1" "$2"
}

# A link's target, for the same link one directory further down.
from_below() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "../$1" ;;
    esac
}

# And back up.
from_above() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    ../*) printf '%s\n' "${1#../}" ;;
    *) printf '%s\n' "$hook_name.d/$1" ;;
    esac
}

unlink_hook() {
    name_hook "$1"
    unconfigure_hook
    if is_link_to post-receive "$hook"; then
        remove_file "$hook"
    elif is_driver; then
        replace_driver
    fi
    if is_link_to post-receive "$ours"; then
        ! is_edited_driver ||
            note "'$hook' was edited and stays: it runs what is left in '$entries'"
        remove_file "$ours"
        ! nothing_else_left || change "remove '$entries'" rmdir "$entries"
    fi
}

# By the hook that was there before, unless the administrator has added others since.
replace_driver() {
    trap '' HUP INT TERM
    find_kept
    if ! no_entry_runs; then
        original=$checkout/hooks/driver
        [ ! -f "$hook" ] || original=$hook
        is_copy || change "put a copy of the driver in the place of '$hook'" copy_driver "$original"
        note "'$hook' is a plain copy of the driver and runs what is left in '$entries'"
        kept=''
    elif [ -z "$kept" ]; then
        remove_file "$hook"
    elif [ -L "$kept" ]; then
        change "restore '$hook' from '$kept'" replace_link "$hook" "$(from_above "$(readlink "$kept")")"
        remove_file "$kept"
    else
        change "restore '$hook' from '$kept'" mv -f "$kept" "$hook"
    fi
}

# The last of the names that keep_hook gives: where it found some taken, ours came after them.
find_kept() {
    number=50
    while exists "$entries/$number-local"; do
        kept=$entries/$number-local
        number=$((number + 1))
    done
}

# Whether the driver would run nothing but ours and the kept hook.
no_entry_runs() {
    for entry in "$entries"/*; do
        case $entry in
        *~ | *.bak | *.sample | "$ours" | "$kept") ;;
        *) [ ! -f "$entry" ] || [ ! -x "$entry" ] || return 1 ;;
        esac
    done
}

# In a dry run, what would have been removed is still there.
nothing_else_left() {
    for entry in "$entries"/* "$entries"/.*; do
        case $entry in
        */. | */.. | "$ours" | "$kept") ;;
        *) ! exists "$entry" || return 1 ;;
        esac
    done
}

# --- receive-report -------------------------------------------------------------------------

# git runs this hook once the refs have moved, and takes what it prints for the report to its client:
# where it fails, the pusher reads that every ref was refused.
require_receive_report() {
    name_hook receive-report
    is_link_to post-receive "$hook" || ! exists "$hook" ||
        die "cannot link '$hook': another hook has that name, and what that one prints is git's report" \
            "leave out --receive-report"
    grep -qsa receive-report "$(git --exec-path)/git-receive-pack" ||
        die "cannot link '$hook': $(git --version) does not know that hook" \
            "leave out --receive-report: without it such a push is told a minute later"
    $dry_run || is_link_to post-receive "$hook" || said=$(try_receive_report 2>&1) ||
        die "cannot link '$hook': a trial push with it did not go well, and nothing was changed: $said" \
            "leave out --receive-report"
}

# A push to a repository made for it, in which no post-receive comes afterwards: what was written
# down of it then is of receive-report.
try_receive_report() {
    trial=$(mktemp -d) || return
    (try_in "$trial")
    outcome=$?
    rm -rf "$trial"
    return $outcome
}

# try_in DIRECTORY
try_in() {
    cd "$1" || exit
    trial_git init -q --bare server.git && trial_git init -q client || exit
    # Nothing is sent to it.
    trial_git -C server.git config webhook.trial.url http://127.0.0.1:9/
    ln -s "$program" server.git/hooks/pre-receive
    ln -s "$program" server.git/hooks/receive-report
    cd client && tree=$(trial_git hash-object -t tree -w /dev/null) &&
        commit=$(trial_git -c user.name=trial -c user.email=trial@localhost commit-tree -m trial "$tree") || exit
    # It gives up after 40 ms, which a busy machine may need for anything.
    for number in 1 2 3 4 5; do
        trial_git push -q ../server.git "$commit:refs/heads/trial-$number" || exit
        [ "$(trial_git -C ../server.git rev-parse "refs/heads/trial-$number")" = "$commit" ] ||
            { say "the ref did not move" && exit 1; }
        [ -z "$(ls ../server.git/webhook/v1/receipts 2>/dev/null)" ] || exit 0
    done
    say "git did not run it"
    exit 1
}

# Neither the user's configuration nor that of the machine has a part in it.
trial_git() {
    HOME=$trial GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git "$@"
}

# One that is there already is kept, for it leads to where the program was before.
link_receive_report() {
    name_hook receive-report
    { ! $receive_report && ! is_link_to post-receive "$hook"; } || point "$hook" "$program"
}

unlink_receive_report() {
    name_hook receive-report
    ! is_link_to post-receive "$hook" || remove_file "$hook"
}

# --- what a repository keeps ---------------------------------------------------------------

# Sets $state, the directory that --purge removes, and $lost, the number of deliveries in it. All
# that could stop the purge does so here, before anything is changed.
find_kept_state() {
    state=$common/webhook lost=0
    exists "$state" || return 0
    { [ -d "$state" ] && [ ! -L "$state" ]; } ||
        die "cannot remove '$state': it is not a directory of ours" \
            "look what it is, and remove it by hand: ls -ld '$state'"
    count_lost
    [ "$lost" = 0 ] || $yes || $dry_run || confirm_loss
}

# Sets $lost, and $holds, the words for it.
count_lost() {
    rows=$(GIT_DIR=. "$prefix/bin/git-webhook" status --json 2>/dev/null </dev/null)
    case $rows in
    '{'*)
        waiting=$(sum_of waiting) dead=$(sum_of dead)
        lost=$((waiting + dead))
        holds="which holds deliveries: $waiting waiting, $dead dead"
        ;;
    *) lost=unknown holds="and what waits there cannot be told: git webhook status fails" ;;
    esac
}

sum_of() {
    printf '%s\n' "$rows" | sed -n "s/^ *\"$1\": \([0-9]*\),*\$/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}

confirm_loss() {
    $terminal || die "cannot remove '$state' without asking, $holds" \
        "send what waits: git -C '$repository' webhook flush --now" \
        "or lose it: --purge --yes"
    answer=''
    { printf "'%s', %s\nremove it all the same? [y/N] " "$state" "$holds" >/dev/tty &&
        read -r answer </dev/tty; } 2>/dev/null
    case $answer in
    [yY] | [yY][eE][sS]) ;;
    *) die "nothing was changed in '$repository': not confirmed" ;;
    esac
}

# What a push brought since it was counted, nobody agreed to lose.
remove_kept_state() {
    exists "$state" || return 0
    agreed=$lost changed=false notes=''
    count_lost
    $yes || $dry_run || [ "$lost" = "$agreed" ] || [ "$agreed" = unknown ] ||
        die "cannot remove '$state': more has come, $holds" "run this again"
    words="remove '$state'"
    [ "$lost" = 0 ] || words="$words, $holds"
    change "$words" rm -rf "$state"
    tell "removed '$state'" ''
}

# --- the demonstration ---------------------------------------------------------------------

demonstrate() {
    require_git
    provide_programs
    receiver=''
    place=$(mktemp -d) || die "cannot make a temporary directory"
    trap end_demonstration EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # Who reads no further, as head does, ends it too.
    trap 'exit 141' PIPE
    stand_apart
    cd "$place" || exit

    heading "A receiver, and a bare repository with the hooks and one target"
    prefix=$place/prefix
    choose_prefix
    install_programs
    start_receiver
    show git init -q --bare project.git
    prompt ./install.sh project.git
    (visit project.git) || exit
    cd project.git || exit
    show git config --file config webhook.demo.url "$url"
    show git config --file config webhook.demo.format codeup
    show git config --file config webhook.demo.secret "$(cat ../secret)"

    make_clone
    push_and_look main push
    git tag -a -m 'The first release' v1.0
    push_and_look v1.0 tag_push

    heading "For good, in a repository of your own"
    cat <<'END'
    ./install.sh /srv/git/project.git
    cd /srv/git/project.git
    git webhook add ci https://ci.example.org/hook --format gitlab
    git webhook test ci
END
}

# Neither the user's configuration nor that of the machine has a part in it.
stand_apart() {
    for variable in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\)=.*/\1/p'); do
        [ "$variable" = GIT_EXEC_PATH ] || unset "$variable"
    done
    unset XDG_CONFIG_HOME
    export HOME="$place/home" GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    export GIT_AUTHOR_NAME='Ada Lovelace' GIT_AUTHOR_EMAIL=ada@example.org
    export GIT_COMMITTER_NAME='Ada Lovelace' GIT_COMMITTER_EMAIL=ada@example.org
    mkdir "$HOME"
}

start_receiver() {
    (umask 077 && echo not-a-real-secret >secret)
    : >received
    prompt "git webhook echo 0 --format codeup --secret-file secret &"
    "$prefix/bin/git-webhook" echo 0 --format codeup --secret-file secret \
        >"$place/received" 2>"$place/receiver.err" &
    receiver=$!
    wait_for 'listening on http' || give_up "the receiver does not start"
    url=$(sed -n '1s/^listening on //p' "$place/received")
}

make_clone() {
    git init -q "$place/clone" && cd "$place/clone" || exit
    git symbolic-ref HEAD refs/heads/main
    git remote add origin ../project.git
    echo 'Hello, webhook' >README
    git add README
    git commit -q -m 'Say hello'
}

# push_and_look REF EVENT
push_and_look() {
    received=$(wc -l <"$place/received")
    heading "What the pusher sees"
    prompt git push origin "$1"
    git push origin "$1" >"$place/pushed" 2>&1 || give_up "git push failed: $(cat "$place/pushed")"
    indent <"$place/pushed"
    heading "What the receiver sees"
    wait_for "\"object_kind\": \"$2\"" || give_up "no $2 event comes to the receiver"
    tail -n "+$((received + 1))" "$place/received" | indent
}

wait_for() {
    tries=100
    until grep -qF "$1" "$place/received"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] && kill -0 "$receiver" 2>/dev/null || return 1
        sleep 0.1 || sleep 1
    done
}

give_up() {
    error "the demonstration failed: $1"
    sed 's/^/receiver: /' "$place/received" "$place/receiver.err" >&2
    exit 1
}

end_demonstration() {
    if [ -n "$receiver" ]; then
        kill "$receiver" 2>/dev/null
        wait "$receiver" 2>/dev/null
    fi
    cd / && rm -rf "$place"
}

heading() { printf '\n== %s\n\n' "$1"; }
prompt() { say "    \$ $*"; }
show() { prompt "$@" && "$@"; }
indent() { sed 's/^./    &/'; }

# --- small words ---------------------------------------------------------------------------

# change WORDS COMMAND...
change() {
    words=$1
    shift
    changed=true
    if $dry_run; then
        say "would $words"
    else
        "$@" || die "cannot $words"
    fi
}

make_directory() { [ -d "$1" ] || change "create '$1'" mkdir -p "$1"; }

# The directory that this one lies in, where nothing else does: in a dry run it is there yet.
remove_above() {
    [ -d "${1%/*}" ] || return 0
    for entry in "${1%/*}"/* "${1%/*}"/.[!.]*; do
        ! exists "$entry" || [ "$entry" = "$1" ] || return 0
    done
    change "remove '${1%/*}'" rmdir "${1%/*}"
}

remove_file() { ! exists "$1" || change "remove '$1'" rm -f "$1"; }
point() { [ "$(readlink "$1")" = "$2" ] || change "link '$1' to '$2'" replace_link "$1" "$2"; }

# In one step: a push finds the old or the new.
replace_link() {
    temporary=${1%/*}/.git-webhook.$$
    ln -s "$2" "$temporary" && mv -f "$temporary" "$1" && return
    rm -f "$temporary"
    return 1
}

# A dangling link exists too.
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# Below any prefix: an earlier installation's link is ours as well.
is_link_to() {
    [ -L "$2" ] || return 1
    case $(readlink "$2") in
    */libexec/git-webhook/"$1") ;;
    *) return 1 ;;
    esac
}

can_write() {
    nearest=$1
    while [ ! -d "$nearest/" ]; do
        nearest=${nearest%/*}
    done
    [ -w "$nearest/" ]
}

absolute() {
    case $1 in
    /*) path=$1 ;;
    *) path=$PWD/$1 ;;
    esac
    (cd "$path" 2>/dev/null && pwd) || printf '%s\n' "${path%/}"
}

# at_least 1.95.0 1.88
at_least() {
    major=${1%%.*} rest=${1#*.}
    minor=${rest%%[!0-9]*}
    wanted_major=${2%%.*} wanted_rest=${2#*.}
    wanted_minor=${wanted_rest%%[!0-9]*}
    case $major in '' | *[!0-9]*) return 1 ;; esac
    [ "$major" -gt "$wanted_major" ] ||
        { [ "$major" -eq "$wanted_major" ] && [ "${minor:-0}" -ge "$wanted_minor" ]; }
}

# $() takes line ends off what git and pwd answer, and the rest would be another repository.
refuse_line_break() {
    case $1 in
    *'
'*) die "cannot use '$(printf %s "$1" | sed 's/[[:cntrl:]]/?/g')': its name holds a line break" ;;
    # A terminal would obey it.
    *[[:cntrl:]]*) die "cannot use '$(printf %s "$1" | sed 's/[[:cntrl:]]/?/g')': its name holds a control character" ;;
    esac
}

say() { printf '%s\n' "$*"; }

# note WORDS: what `tell` says after the last word.
note() {
    notes="${notes}note: $1
"
}

# tell CHANGED UNCHANGED: the last word on what was asked for, and the notes if there are any.
tell() {
    if ! $changed; then
        say "$2"
    elif ! $dry_run; then
        say "$1"
    fi
    $dry_run || printf %s "$notes"
}

hint() { printf 'hint: %s\n' "$@" >&2; }

warning() {
    printf 'warning: %s\n' "$1" >&2
    shift
    hint "$@"
}

# error WHAT [HINT...]
error() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || hint "$@"
}

die() {
    error "$@"
    exit 1
}

# The error is the last thing on the screen, and not above a page of text.
usage_error() {
    error "$1" "$0 --help shows what there is"
    exit 2
}

main "$@"

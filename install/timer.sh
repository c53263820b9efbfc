# The part of install.sh that has `git webhook flush --root DIR` run every minute: with systemd by two
# units, without it by a line in a crontab. What marks them, for --uninstall, other programs and people:
#
#   git-webhook-flush@INSTANCE.timer and .service, where INSTANCE is what `systemd-escape --path DIR`
#   prints, in /etc/systemd/system or, for an ordinary user, in ~/.config/systemd/user
#
#   a line that ends in ` # git-webhook-flush: DIR`: in the crontab, and as a comment in the service
#
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # it shares its variables with install.sh

timer_mark='# git-webhook-flush: '

install_timer() {
    [ -d "$timer" ] || die "cannot look after '$timer': it is not a directory"
    name_timer
    require_git
    choose_user
    require_program_for_user
    find_path_to_git
    changed=false notes=''
    if has_manager; then
        ! has_crontab || remove_cron_line
        write_units
        tell "installed the timer of '$directory': '$unit.timer', as user '$user'" \
            "already installed: the timer of '$directory'"
        $is_root || $dry_run || warn_about_linger
    elif has_crontab; then
        write_cron_line
        tell "installed the timer of '$directory': a line in the crontab of '$user'" \
            "already installed: the timer of '$directory'"
    else
        make_cron_line
        error "cannot set up a timer: there is neither a systemd to ask nor the program 'crontab'" \
            "have this run every minute as user '$user': ${cron_line#\* \* \* \* \* }" \
            "or install a cron (Debian, Ubuntu: sudo apt install cron), and run this again"
        $is_root || hint "or where systemd runs, for a timer of the system: sudo $0 --timer '$directory'"
        exit 1
    fi
}

uninstall_timer() {
    name_timer
    find_user
    changed=false notes=''
    remove_units
    ! has_crontab || remove_cron_line
    tell "removed the timer of '$directory'; what waits in the repositories stays" \
        "not installed: a timer of '$directory' for user '$user'"
    $changed || ! $is_root || [ -n "$timer_user" ] ||
        hint "if it is a line in the crontab of another user: --user NAME"
}

# Sets $directory, and $unit and $units, the name and the place of the units.
name_timer() {
    refuse_line_break "$timer"
    refuse_line_break "$PWD"
    directory=$(absolute "$timer")
    [ "$directory" != / ] || die "cannot look after '/': name the directory that holds the repositories"
    unit=git-webhook-flush@$(escape_path "$directory")
    # unit_name_is_valid of systemd: 255 bytes with the ending.
    [ ${#unit} -le 247 ] || die "cannot name a timer for '$directory': the path is too long" \
        "give it a shorter name, and use that: ln -s '$directory' /srv/git"
    find_units
}

find_units() {
    is_root=true units=/etc/systemd/system
    [ "$(id -u)" -eq 0 ] || is_root=false units=${XDG_CONFIG_HOME:-${HOME-}/.config}/systemd/user
}

# As `systemd-escape --path` does.
escape_path() {
    printf %s "${1#/}" | od -An -v -tx1 | LC_ALL=C awk '
        BEGIN {
            for (code = 46; code <= 122; code++) {
                character = sprintf("%c", code)
                if (character ~ /[A-Za-z0-9:_.\/]/) plain[sprintf("%02x", code)] = character
            }
            plain["2f"] = "-"
        }
        {
            for (i = 1; i <= NF; i++) {
                is_plain = ($i in plain) && !(seen == 0 && $i == "2e")
                printf "%s", is_plain ? plain[$i] : "\\x" $i
                seen++
            }
        }'
}

# --- who it runs as ------------------------------------------------------------------------

# Sets $user, as whom the timer runs: the owner of the repositories, so that nothing runs with more
# rights than the hooks have. Root becomes each owner in turn, which is the way out where there are several.
choose_user() {
    find_user
    [ -z "$timer_user" ] || return 0
    if ! $is_root; then
        [ "$owners" = "$(id -u)" ] || [ -z "$owners" ] ||
            warning "not every repository below '$directory' is yours" \
                "flush tells of those that git does not let you use: see safe.directory in git-config(1)"
        return 0
    fi
    [ -n "$owners" ] || die "cannot choose a user: there is no repository below '$directory' yet" \
        "name the one who will own them: --user NAME"
    case $owners in
    *[!0-9]*)
        die "cannot choose a user: the repositories below '$directory' have several owners" \
            "as root it becomes the owner of each: --user root" \
            "or make a timer for each owner's directory"
        ;;
    esac
    [ -n "$user" ] || die "cannot choose a user: number $owners, the owner of what is below '$directory', has no name" \
        "name one: --user NAME"
}

# Sets $user, and $owners: a line for each number that owns a repository below the directory.
find_user() {
    owners=''
    if [ -n "$timer_user" ]; then
        $is_root || die "cannot make a timer for user '$timer_user': only root can" \
            "run this as that user, without --user"
        user=$(id -un -- "$timer_user" 2>/dev/null) || die "no such user: '$timer_user'"
        return
    fi
    [ ! -d "$directory" ] || owners=$(find_owners)
    user=$(id -un)
    case $is_root,$owners in
    true,*[!0-9]* | true, | false,*) ;;
    *) user=$(id -un "$owners" 2>/dev/null) ;;
    esac
}

# Looks as `git webhook flush --root` does: no links, and nothing inside a repository.
find_owners() {
    # shellcheck disable=SC2016 # the inner shell is the one to fill it in
    find -H "$directory" -type d -exec sh -c \
        'test -f "$1/HEAD" && test -d "$1/objects" && test -e "$1/refs"' sh {} \; \
        -prune -exec ls -dnq {} + 2>/dev/null | awk '{ print $3 }' | sort -un
}

# A prefix in somebody's home may be closed to the user.
require_program_for_user() {
    flush_program=$prefix/bin/git-webhook
    case $flush_program in
    *[\"\$%\\]*) die "cannot write '$flush_program' into a timer: its name holds one of \" \$ % \\" "use another --prefix" ;;
    esac
    ! $dry_run || return 0
    owner=$(id -u "$user") group=$(id -g "$user")
    # shellcheck disable=SC2015 # what follows || is meant for both
    if ! $is_root || [ "$owner" -eq 0 ]; then
        "$flush_program" --version
    else
        # By env, since setpriv itself still has root's rights when it starts a program.
        (find_way && become env "$flush_program" --version)
    fi </dev/null >/dev/null 2>&1 ||
        die "cannot make a timer: '$flush_program' does not run as user '$user'" \
            "install it where everyone can run it: $0 --prefix /usr/local"
}

# Sets $git_place, the directory of git where a timer's PATH may not have it, or nothing.
find_path_to_git() {
    git_place=$(command -v git)
    git_place=${git_place%/git}
    case $git_place in
    /usr/bin | /bin) git_place='' ;;
    *[\"\'\$%:\\]*) die "cannot write '$git_place', where git is, into a timer" "put git into /usr/local/bin" ;;
    esac
}

# --- systemd -------------------------------------------------------------------------------

manage() {
    if $is_root; then systemctl "$@"; else systemctl --user "$@"; fi
}

# Asked of the manager itself: the program is there in containers without one, and after `su` none of the user's answers.
has_manager() { command -v systemctl >/dev/null && manage show-environment >/dev/null 2>&1; }

write_units() {
    make_directory "$units"
    write_unit "$unit.service" "$(service_text)"
    write_unit "$unit.timer" "$(timer_text)"
    if $changed; then
        change "run 'systemctl daemon-reload'" manage daemon-reload
    elif manage is-enabled --quiet "$unit.timer" && manage is-active --quiet "$unit.timer"; then
        return
    fi
    change "run 'systemctl enable $unit.timer'" manage enable --quiet "$unit.timer"
    change "run 'systemctl restart $unit.timer'" manage restart "$unit.timer"
}

# write_unit NAME TEXT
write_unit() {
    [ "$(cat "$units/$1" 2>/dev/null)" = "$2" ] ||
        change "write '$units/$1'" replace_text "$units/$1" "$2"
}

# In one step, as replace_file does.
replace_text() {
    temporary=${1%/*}/.git-webhook.$$
    printf '%s\n' "$2" >"$temporary" && mv -f "$temporary" "$1" && return
    rm -f "$temporary"
    return 1
}

# Files in which an administrator changed something by `systemctl edit` are others, and stay.
remove_units() {
    wanted=$units/timers.target.wants/$unit.timer
    exists "$units/$unit.timer" || exists "$units/$unit.service" || exists "$wanted" || return 0
    if has_manager; then
        change "run 'systemctl stop $unit.timer'" manage stop "$unit.timer"
    fi
    remove_file "$wanted"
    remove_file "$units/$unit.timer"
    remove_file "$units/$unit.service"
    if has_manager; then
        change "run 'systemctl daemon-reload'" manage daemon-reload
    fi
}

timer_text() {
    cat <<END
# Written by install.sh of git-webhook. To change it: systemctl edit $unit.timer
[Unit]
Description=Have what git-webhook keeps below %f sent every minute
Documentation=man:git-webhook(1)

[Timer]
OnCalendar=minutely
RandomizedDelaySec=15s
AccuracySec=1s

[Install]
WantedBy=timers.target
END
}

# The directory stands in the unit's name alone, as %f: a setting for each place has quoting rules of its own, and
# ExecStart= fills in \${…} after that, so there it is the working directory.
service_text() {
    cat <<END
# Written by install.sh of git-webhook. To change it: systemctl edit $unit.service
$timer_mark$directory
[Unit]
Description=Send what git-webhook keeps below %f
Documentation=man:git-webhook(1)
END
    ! $is_root || say "RequiresMountsFor=%f"
    cat <<END

[Service]
Type=oneshot
WorkingDirectory=%f
ExecStart="$flush_program" flush --root .$reconcile
END
    [ -z "$git_place" ] || say "Environment=\"PATH=$git_place:/usr/local/bin:/usr/bin:/bin\""
    cat <<END
TimeoutStartSec=1h

# Only what goes wrong is worth the journal.
StandardOutput=null
StandardError=journal
SyslogLevel=warning
LogLevelMax=notice

UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictRealtime=yes
SystemCallArchitectures=native
END
    # A user's manager can do no more everywhere: the rest needs mounts.
    ! $is_root || service_text_of_system
}

service_text_of_system() {
    say "User=$user"
    if [ "$user" = root ]; then
        say "# It becomes the owner of each repository, which it must find first."
        say "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETGID CAP_SETUID"
    else
        say "CapabilityBoundingSet="
    fi
    # A directory below /tmp would be out of sight.
    case $directory/,$flush_program in
    /tmp/* | /var/tmp/* | *,/tmp/* | *,/var/tmp/*) ;;
    *) say "PrivateTmp=yes" ;;
    esac
    cat <<'END'
ProtectSystem=strict
ReadWritePaths=%f
ProtectHome=read-only
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not here: ProtectProc= and PrivateUsers=, with which a push of another user looks as if it were over;
# RestrictSUIDSGID=, which forbids directories that hand their group on (core.sharedRepository).
END
}

warn_about_linger() {
    [ "$(loginctl show-user "$user" --property=Linger --value 2>/dev/null)" = yes ] ||
        warning "the timer stops when '$user' logs out" "have it run always: loginctl enable-linger '$user'"
}

# --- cron ----------------------------------------------------------------------------------

has_crontab() { command -v crontab >/dev/null; }

run_crontab() {
    if $is_root && [ "$user" != root ]; then crontab -u "$user" "$@"; else crontab "$@"; fi
}

# Sets $cron_line. Of % and \ crons make different things, quoted or not.
make_cron_line() {
    case $directory in
    *[%\\]*)
        die "cannot write '$directory' into a crontab: cron takes % and \\ for its own" \
            "give it another name, and use that: ln -s '$directory' /srv/git"
        ;;
    esac
    cron_line="$(quoted "$flush_program") flush --root $(quoted "$directory")$reconcile >/dev/null $timer_mark$directory"
    [ -z "$git_place" ] || cron_line="PATH='$git_place':\$PATH $cron_line"
    cron_line="* * * * * $cron_line"
}

quoted() { printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\"'\"'/g")"; }

# Sets $table, the crontab. One that cannot be read must not be written over.
read_crontab() {
    if table=$(run_crontab -l 2>/dev/null); then
        return
    fi
    reason=$(LC_ALL=C run_crontab -l 2>&1 >/dev/null)
    case $reason in
    *'no crontab'* | *'No such file'*) table='' ;;
    *) die "cannot read the crontab of '$user': $reason" ;;
    esac
}

# The lines of $table that are this timer's, or with `!` the others.
timer_lines() {
    [ -z "$table" ] || printf '%s\n' "$table" | LC_ALL=C MARK=" $timer_mark$directory" awk \
        "$1"'(substr($0, length($0) - length(ENVIRON["MARK"]) + 1) == ENVIRON["MARK"])'
}

write_cron_line() {
    make_cron_line
    read_crontab
    [ "$(timer_lines '')" != "$cron_line" ] || return 0
    others=$(timer_lines '!')
    change "write into the crontab of '$user': $cron_line" write_crontab "$others${others:+
}$cron_line"
}

remove_cron_line() {
    read_crontab
    ours=$(timer_lines '')
    [ -z "$ours" ] || change "remove from the crontab of '$user': $ours" write_crontab "$(timer_lines '!')"
}

write_crontab() {
    if [ -n "$1" ]; then
        printf '%s\n' "$1" | run_crontab -
    else
        run_crontab -r
    fi
}

# --- timers that are left ------------------------------------------------------------------

# After the programs are gone: each of their timers fails every minute.
warn_about_timers() {
    find_units
    user=$(id -un) table=''
    ! has_crontab || table=$(run_crontab -l 2>/dev/null)
    left=$(
        for file in "$units"/git-webhook-flush@*.service; do
            ! grep -qsF "\"$prefix/bin/git-webhook\" flush" "$file" || sed -n "s/^$timer_mark//p" "$file"
        done
        printf '%s\n' "$table" | grep -F "$prefix/bin/git-webhook" | sed -n "s/^[^#].* $timer_mark//p"
    )
    [ -n "$left" ] || return 0
    warning "timers run '$prefix/bin/git-webhook' still, and fail"
    printf '%s\n' "$left" | while IFS= read -r directory; do
        hint "remove it: $0 --uninstall --timer $(quoted "$directory")"
    done
}

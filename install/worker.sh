# The part of install.sh that has `git webhook worker` run from the start of the machine on, by a unit of systemd:
# git-webhook-worker.service in /etc/systemd/system or, for an ordinary user, in ~/.config/systemd/user. It shares the words
# for units with install/timer.sh.
#
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034 # it shares its variables with install.sh

unit=git-webhook-worker

install_worker() {
    find_units
    choose_worker_user
    worker_program=$prefix/bin/git-webhook
    case $worker_program in
    *[\"\\%\$]*) die "cannot write '$worker_program' into a unit" "choose another place: --prefix DIR" ;;
    esac
    # What --dry-run does not install is not there to be asked.
    $dry_run || "$worker_program" worker --help >/dev/null 2>&1 ||
        die "cannot set up a worker: '$worker_program' is not there, or is older" "install it first: $0 --prefix '$prefix'"
    has_manager || die "cannot set up a worker: there is no systemd to ask" \
        "have this run from the start of the machine on, as a user who may read the secrets: $worker_program worker"
    changed=false notes=''
    make_directory "$units"
    write_unit "$unit.service" "$(worker_text)"
    ! $changed || change "run 'systemctl daemon-reload'" manage daemon-reload
    if $changed || ! manage is-enabled --quiet "$unit.service" || ! manage is-active --quiet "$unit.service"; then
        change "run 'systemctl enable $unit.service'" manage enable --quiet "$unit.service"
        change "run 'systemctl restart $unit.service'" manage restart "$unit.service"
    fi
    tell "installed the worker '$unit.service', as user '$user'" "already installed: the worker '$unit.service'"
    $is_root || $dry_run || warn_about_linger
}

# What an administrator changed by `systemctl edit` stands in another file, and stays.
uninstall_worker() {
    find_units
    changed=false notes=''
    if exists "$units/$unit.service"; then
        ! has_manager || change "run 'systemctl disable --now $unit.service'" manage disable --now --quiet "$unit.service"
        remove_file "$units/$unit.service"
        ! has_manager || change "run 'systemctl daemon-reload'" manage daemon-reload
    fi
    tell "removed the worker; what waits for it stays at the broker" "not installed: a worker"
}

# Sets $user. It runs with the rights of whoever may read the secrets, and no more: root is nobody's choice.
choose_worker_user() {
    user=$(id -un)
    if [ -n "$timer_user" ]; then
        $is_root || die "cannot set up a worker for user '$timer_user': only root can" "run this as that user, without --user"
        user=$(id -un -- "$timer_user" 2>/dev/null) || die "no such user: '$timer_user'"
    elif $is_root; then
        die "cannot set up a worker as root, who need not make deliveries" \
            "name a user who may read what secretFile and webhook.viaCredentials name: --user NAME"
    fi
}

worker_text() {
    cat <<END
# Written by install.sh of git-webhook. To change it: systemctl edit $unit.service
[Unit]
Description=Make the deliveries that git servers hand to the broker
Documentation=man:git-webhook(1)
Wants=network-online.target
After=network-online.target

[Service]
ExecStart="$worker_program" worker
Restart=always
RestartSec=5s
# What is under way is brought to its end first.
TimeoutStopSec=90s

UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictRealtime=yes
SystemCallArchitectures=native
END
    # A user's manager can do no more everywhere: the rest needs mounts.
    ! $is_root || worker_text_of_system
    say ''
    say "[Install]"
    if $is_root; then say "WantedBy=multi-user.target"; else say "WantedBy=default.target"; fi
}

worker_text_of_system() {
    say "User=$user"
    say "CapabilityBoundingSet="
    case $worker_program in
    /tmp/* | /var/tmp/*) ;;
    *) say "PrivateTmp=yes" ;;
    esac
    cat <<'END'
ProtectSystem=strict
ProtectHome=read-only
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
END
}

#compdef git-webhook
# zsh completion for `git-webhook` and `git webhook`, for which git's own completion finds it.
#
# What is offered comes from the completion for bash, so that there is one to keep right.

_git-webhook() {
    local here=${${funcsourcetrace[1]%:*}:A:h} script word
    for script in "$here/../../bash-completion/completions/git-webhook" "$here/git-webhook.bash"; do
        [[ -r $script ]] && break
    done
    local -a offered=("${(@f)$(bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); __git_webhook_alone
        printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' bash "$script" git-webhook "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    # Of `--state=de` the value alone is offered.
    [[ ${words[CURRENT]} != --*=* ]] || compset -P '*='
    for word in $offered; do
        # What goes on, such as an option that takes a value, has no blank behind it.
        if [[ $word == *' ' ]]; then compadd -- "${word% }"; else compadd -S '' -- "$word"; fi
    done
}

_git-webhook "$@"

# fish completion for `git-webhook` and `git webhook`.
#
# What is offered comes from the completion for bash, so that there is one to keep right.

set -g __git_webhook_directory (path dirname (path resolve (status filename)))

function __git_webhook_offer
    set -l script $__git_webhook_directory/git-webhook.bash
    set -l installed $__git_webhook_directory/../../bash-completion/completions/git-webhook
    test -r $installed; and set script $installed
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # Behind `git` stands the verb of git.
    set -l first 2
    test (path basename -- $words[1]) = git; and set first 3
    # Of `--state=de` the value alone is offered there, and here all of the word.
    set -l before (string match -r -- '^--[^=]*=' "$current")
    set -q before[1]; or set before ''
    bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); __git_webhook_alone
        printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' bash $script git-webhook $words[$first..-1] "$current" 2>/dev/null |
        while read -l word
            echo $before(string trim -- $word)
        end
end

complete -c git-webhook -f -a '(__git_webhook_offer)'
complete -c git -n '__fish_seen_subcommand_from webhook' -f -a '(__git_webhook_offer)'

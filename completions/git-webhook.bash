# bash completion for `git webhook` and `git-webhook`.
#
# Installed as share/bash-completion/completions/git-webhook, it is loaded when it is first needed. Without
# bash-completion, source it in ~/.bashrc. It calls no function of git's completion or of bash-completion.
#
# What is offered goes into a command line, and pushers choose the names of refs: names in which a shell would see more
# than a name are not offered.
#
# shellcheck shell=bash

__git_webhook_verbs="add set rename remove list formats check test log show redeliver flush dead reviews status reconcile enable disable
key payload echo worker fleet help"

# made of src/format/mod.rs by UPDATE_GOLDEN=1 cargo test --test house
__git_webhook_formats="codeup gitlab github gitea forgejo gogs bitbucket slack jenkins discord teams matrix feishu dingtalk wecom template"
# end of what is made

# The options of a verb; those that take a value end in `=`.
__git_webhook_options() {
    case $1 in
    add)
        echo --system --global --secret --generate-secret --signing-secret --generate-signing-secret --generate-signing-key --format= --event= --ref= --success= \
            --description= --enabled= --optional= --codeup-extras= --traceparent= --detail= --content-type= --template= --method= --secret-file= --signing-secret-file= --header= --header-file= --ssl-verify= --ssl-ca-info= --ssl-cert= --ssl-key= --timeout= \
            --retry-for= --max-commits= --max-body= --json --help
        ;;
    set)
        echo --url= --unset= --system --global --format= --event= --ref= --success= \
            --description= --enabled= --optional= --codeup-extras= --traceparent= --detail= --content-type= --template= --method= --secret-file= --signing-secret-file= --header= --header-file= --ssl-verify= --ssl-ca-info= --ssl-cert= --ssl-key= --timeout= \
            --retry-for= --max-commits= --max-body= --json --help
        ;;
    rename | remove | formats | enable | disable | key) echo --json --help ;;
    show) echo --ref --commit --json --help ;;
    list) echo --urls --json --root= --help ;;
    check) echo --connect --json --root= --help ;;
    test) echo --event= --ref= --commit= --ping --json --help ;;
    log) echo --target= --ref= --event= --state= --status= --commit= --since= --until= --limit= --follow --json --root= --help ;;
    redeliver) echo --failed --rebuild --since= --target= --json --root= --help ;;
    dead) echo --seen --drop --all --target= --json --root= --help ;;
    flush) echo --now --target= --reconcile --all --json --root= --help ;;
    reviews) echo --json --root= --help ;;
    status) echo --max-age= --all --json --root= --help ;;
    reconcile) echo --dry-run --all --baseline --adopt --json --root= --help ;;
    payload) echo --format= --event= --help ;;
    echo) echo --format= --secret-file= --target= --answer= --delay= --forward= --help ;;
    worker) echo --name= --unclaimed= --help ;;
    fleet)
        case " ${words[*]} " in
        *" init "*) echo --replicas= --credentials= --dry-run --help ;;
        *" status "*) echo --json --help ;;
        *) echo --help ;;
        esac
        ;;
    esac
}

# __git_webhook_value OPTION TYPED
__git_webhook_value() {
    case $verb,$1 in
    *,--target) __git_webhook_offer "$2" "$(__git_webhook_targets)" ;;
    payload,--format) __git_webhook_offer "$2" "$__git_webhook_formats event" ;;
    *,--format) __git_webhook_offer "$2" "$__git_webhook_formats" ;;
    test,--event) __git_webhook_offer "$2" "push tag_push create delete note merge_request ping" ;;
    add,--event | set,--event) __git_webhook_offer "$2" "push tag_push create delete note merge_request all" ;;
    payload,--event) __git_webhook_offer "$2" "push tag_push create delete note merge_request" ;;
    *,--state) __git_webhook_offer "$2" "delivered published waiting dead failed" ;;
    *,--enabled | *,--optional | *,--codeup-extras | *,--ssl-verify) __git_webhook_offer "$2" "true false" ;;
    *,--traceparent) __git_webhook_offer "$2" "true false continue" ;;
    *,--detail) __git_webhook_offer "$2" "full commits thin" ;;
    *,--content-type) __git_webhook_offer "$2" "json form" ;;
    *,--method) __git_webhook_offer "$2" "POST PUT GET" ;;
    *,--root) __git_webhook_paths -d "$2" ;;
    add,--secret-file | add,--signing-secret-file | set,--secret-file | set,--signing-secret-file) __git_webhook_offer "$2" "$(__git_webhook_secrets)" ;;
    *,--credentials | *,--secret-file) __git_webhook_paths -f "$2" ;;
    esac
}

# __git_webhook_argument HOW-MANY-STAND-BEFORE-IT
__git_webhook_argument() {
    case $verb,$1 in
    set,0 | rename,0 | remove,0 | test,0 | enable,0 | disable,0 | key,0) __git_webhook_offer "$cur" "$(__git_webhook_targets)" ;;
    redeliver,*) [[ " ${words[*]} " == *" --failed "* ]] || __git_webhook_offer_ids ;;
    dead,*) [[ " ${words[*]} " != *" --drop "* ]] || __git_webhook_offer_ids ;;
    show,0) __git_webhook_offer_ids ;;
    payload,0 | payload,1) __git_webhook_offer "$cur" "HEAD $(__git_webhook_refs 2 refs/heads/ refs/tags/)" ;;
    payload,2) __git_webhook_offer "$cur" "$(__git_webhook_refs 0 '')" ;;
    fleet,0) __git_webhook_offer "$cur" "init status" ;;
    help,0) __git_webhook_offer "$cur" "$__git_webhook_verbs" ;;
    esac
}

# In the repository that `git -C` or `git --git-dir` names, if they are there.
__git_webhook_git() {
    command git ${__git_C_args[@]+"${__git_C_args[@]}"} ${__git_dir:+--git-dir="$__git_dir"} "$@" 2>/dev/null
}

# The keys alone: a URL may be a secret.
__git_webhook_targets() {
    local key name
    __git_webhook_git config --name-only --get-regexp '^webhook\..+\.' | while IFS= read -r key; do
        name=${key#webhook.}
        name=${name%.*}
        [[ $name == *[!A-Za-z0-9_.-]* ]] || echo "$name"
    done
}

# Where the state of the repository lies.
__git_webhook_state() {
    local common
    common=$(__git_webhook_git rev-parse --path-format=absolute --git-common-dir) && echo "$common/webhook"
}

# Of the newest attempts: `git webhook log` reads all there are, which takes seconds where they are many.
__git_webhook_ids() {
    local day='[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' directory
    directory=$(__git_webhook_state)/log
    (builtin cd -- "$directory" && compgen -G "$day" | sort | tail -n 30 | xargs tail -q -n 200) 2>/dev/null |
        awk 'match($0, /"id":"[0-9a-f-]+"/) { ids[++count] = substr($0, RSTART + 6, RLENGTH - 7) }
            END { while (count && told < 50) { id = ids[count--]; if (!seen[id]++) { print id; told++ } } }'
}

# Newest first; bash below 4.4 sorts them.
__git_webhook_offer_ids() {
    compopt -o nosort 2>/dev/null
    __git_webhook_offer "$cur" "$(__git_webhook_ids)"
}

# __git_webhook_refs PARTS-TO-LEAVE-OUT BEGINNING...
__git_webhook_refs() {
    local strip=$1 beginning patterns=() ref
    shift
    # git chooses: there may be a hundred thousand.
    for beginning; do
        patterns+=("$beginning$cur*" "$beginning$cur*/**")
    done
    __git_webhook_git for-each-ref --format="%(refname:strip=$strip)" "${patterns[@]}" | while IFS= read -r ref; do
        [[ $ref == *[\$\`\"\'\(\)\{\}\;\&\|\<\>\!]* ]] || echo "$ref"
    done
}

# A target of the repository's own configuration has its secrets here.
__git_webhook_secrets() {
    local directory path
    directory=$(__git_webhook_state)/secret/
    compgen -f -- "$directory" | while IFS= read -r path; do
        path=${path#"$directory"}
        [[ $path == *[!A-Za-z0-9_.-]* ]] || echo "$path"
    done
}

# __git_webhook_offer TYPED WORDS: each word once. Whoever calls has set `nospace`, for what ends in `=`.
__git_webhook_offer() {
    local word offered=" " IFS=$' \t\n'
    for word in $2; do
        [[ $word == "$1"* && $offered != *" $word "* ]] || continue
        offered+="$word "
        [[ $word == *= ]] || word+=" "
        COMPREPLY+=("$word")
    done
}

# __git_webhook_paths -d|-f TYPED
__git_webhook_paths() {
    local path
    compopt -o filenames +o nospace 2>/dev/null
    while IFS= read -r path; do
        [[ -z $path ]] || COMPREPLY+=("$path")
    done <<<"$(compgen "$1" -- "$2")"
}

# What git's completion calls, with `words`, `cword` and `cur`.
_git_webhook() {
    local at=${__git_cmd_idx-} i word verb="" options="" option="" count=0 ended=""
    COMPREPLY=()
    # A file name where none belongs is worse than nothing.
    compopt +o default +o bashdefault 2>/dev/null
    if [[ -z $at ]]; then
        # git's completion below 2.32 does not say where the subcommand is.
        for ((at = 1; at < cword; at++)); do
            [[ ${words[at]} != webhook ]] || break
        done
    fi
    for ((i = at + 1; i < cword; i++)); do
        word=${words[i]}
        if [[ -z $verb ]]; then
            [[ $word == -* ]] || verb=$word
            options=$(__git_webhook_options "$verb")
        elif [[ -n $option ]]; then
            option=""
        elif [[ -n $ended || $word != -* ]]; then
            count=$((count + 1))
        elif [[ $word == -- ]]; then
            ended=true
        elif [[ $word == -n || " $options " == *" $word= "* ]]; then
            option=$word
        fi
    done
    if [[ -z $verb ]]; then
        case $cur in
        -*) __git_webhook_offer "$cur" "--no-pager --help --version" ;;
        *) __git_webhook_offer "$cur" "$__git_webhook_verbs" ;;
        esac
    elif [[ -n $option ]]; then
        __git_webhook_value "$option" "$cur"
    elif [[ -n $ended || $cur != -* ]]; then
        __git_webhook_argument "$count"
    elif [[ $cur == --*=* ]]; then
        __git_webhook_value "${cur%%=*}" "${cur#*=}"
    else
        __git_webhook_offer "$cur" "$options"
    fi
}

# For `git-webhook`, where nobody has set them.
__git_webhook_alone() {
    local cur words=() cword=-1 word joins="" __git_cmd_idx=0 __git_dir="" __git_C_args
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        # readline breaks words there, the program does not.
        if [[ $cword -ge 0 && (-n $joins || $word == [=:]*) ]]; then
            words[cword]+=$word
        else
            words[++cword]=$word
        fi
        joins=""
        [[ $word != *[=:] ]] || joins=true
    done
    cur=${words[cword]}
    _git_webhook
}

complete -o nospace -F __git_webhook_alone git-webhook

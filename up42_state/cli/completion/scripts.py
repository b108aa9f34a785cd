"""The scripts that teach shells to complete ``up42-state``.

A script asks this program with two variables: ``_UP42_STATE_COMPLETE``, which has the name of the shell, and
``_UP42_STATE_LINE``, the command line up to the cursor. Each line of the answer is a kind, a tab and a text.
"""

from __future__ import annotations

__all__ = ["SCRIPTS"]

# bash splits words at `:`, `@` and `=` before a function sees them, and replaces only what follows the last
# of these. So the line itself is handed on, with the characters that bash splits at, and the answer is cut.
_BASH = """\
_up42_state_completion() {
    local kind value
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; printf -v value %q "$value"; COMPREPLY+=("$value") ;;
            plain) printf -v value %q "$value"; COMPREPLY+=("$value") ;;
        esac
    done < <(_UP42_STATE_COMPLETE=bash _UP42_STATE_LINE="${COMP_LINE:0:COMP_POINT}" \\
        _UP42_STATE_BREAKS="$COMP_WORDBREAKS" "${1/#\\~/$HOME}" 2>/dev/null)
}
complete -o nosort -F _up42_state_completion up42-state
"""

_ZSH = """\
#compdef up42-state
_up42_state_completion() {
    local kind value
    local -a plain part
    while IFS=$'\\t' read -r kind value; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files ;;
            part) part+=("$value") ;;
            plain) plain+=("$value") ;;
        esac
    done < <(_UP42_STATE_COMPLETE=zsh _UP42_STATE_LINE="${(j: :)${(@q)words[1,CURRENT]}}" \\
        ${~words[1]} 2>/dev/null)
    (( $#plain )) && compadd -V up42-state -a plain
    (( $#part )) && compadd -V up42-state -S '' -a part
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _up42_state_completion "$@"
else
    compdef _up42_state_completion up42-state
fi
"""

_FISH = """\
function _up42_state_completion
    command -q up42-state; or return
    set -l line (commandline -cp | string collect)
    for answer in (_UP42_STATE_COMPLETE=fish _UP42_STATE_LINE="$line" up42-state 2>/dev/null)
        set -l found (string split -m 1 \\t -- $answer)
        switch $found[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain part
                echo $found[2]
        end
    end
end
complete --no-files --command up42-state --arguments "(_up42_state_completion)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

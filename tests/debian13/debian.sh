# shellcheck shell=bash
# What the stages that build trees of Debian share; sourced by their scripts, from the top of the checkout.

export PATH="$PATH:/usr/sbin:/sbin"

be_root() { # KEPT SCRIPT ARGUMENT...: starts the script anew as root, with the environment variables KEPT, where it is not
    local kept=$1
    shift
    [ "$(id -u)" -ne 0 ] || return 0
    sudo -n true 2>/dev/null || { echo "this stage needs root: run it with 'sudo make'" >&2; exit 1; }
    exec sudo -n --preserve-env="$kept" "$@"
}

mirror() { # the mirror of Debian that this machine's apt uses
    local found
    for _ in 1 2; do
        # shellcheck disable=SC2016  # apt fills these in
        found=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' | sed -n 's/^Debian|Debian|//p' | sort -u | head -n 1)
        [ -z "$found" ] || { echo "$found"; return; }
        apt-get -qq update >&2
    done
    echo "this machine's apt knows no Debian mirror: add one to /etc/apt/sources.list.d" >&2
    exit 1
}

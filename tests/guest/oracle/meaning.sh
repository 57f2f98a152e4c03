# What each action means, in plain shell: written from docs/src/reference/actions.md, not from the program. Paths begin
# with `/` and have no empty part and no `.`. A function that refuses what the reference calls an error ends the script.
set -eu
umask 022
cd /

refuse() {
    echo "refused: $*" >&2
    exit 9
}

# Missing parent directories get the mode 0755 and belong to root. mkdir refuses a link whose target is missing, and links
# in a circle. chmod(1) takes the set-group-ID of a directory away only if the mode has five digits.
way() {
    directory "${1%/*}"
}
directory() {
    [ -n "$1" ] && [ ! -d "$1" ] || return 0
    way "$1"
    mkdir "$1"
    chown 0:0 "$1"
    chmod 00755 "$1"
}

no_directory() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then refuse "$1 is a directory"; fi
}

# Whether a path is there, its links followed. A link whose target is missing, or that leads in a circle, is refused.
leads() {
    rest=${1#/} at=
    while [ -n "$rest" ]; do
        at=$at/${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
        if [ -L "$at" ] && [ ! -e "$at" ]; then refuse "$at leads nowhere"; fi
        [ -e "$at" ] || return 1
    done
}

# PATH MODE OWNER, the content from standard input
write() {
    no_directory "$1"
    way "$1"
    if [ -L "$1" ] || [ ! -f "$1" ]; then rm -f "$1"; fi
    cat >"$1"
    chown "$3" "$1"
    chmod "$2" "$1"
}

empty() {
    no_directory "$1"
    way "$1"
    if [ ! -L "$1" ] && [ -f "$1" ]; then
        : >"$1"
    else
        rm -f "$1"
        : >"$1"
        chmod 0644 "$1"
        chown 0:0 "$1"
    fi
}

# PATH MODE OWNER; a directory that is there keeps what is empty here
make() {
    directory "$1"
    if [ -n "$3" ]; then chown "$3" "$1"; fi
    if [ -n "$2" ]; then chmod "$2" "$1"; fi
}

# TARGET PATH
link() {
    way "$2"
    rm -rf "$2"
    ln -s -- "$1" "$2"
}

move() {
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then refuse "$1 is not there"; fi
    way "$2"
    # Onto itself: there is nothing to do.
    if [ "$(realpath "${1%/*}")/${1##*/}" = "$(realpath "${2%/*}")/${2##*/}" ]; then return; fi
    mv -fT "$1" "$2"
}

# IF_PRESENT PATH and the arguments of edit.pl
edit() {
    present=$1 file=$2
    shift 2
    if leads "$file"; then
        [ -f "$file" ] || refuse "$file is no text file"
        perl -CA /run/oracle-edit "$file" "$@"
    elif [ -z "$present" ]; then
        refuse "$file is not there"
    fi
}

# One entry of a tree: PATH MODE OWNER. `new` tells whether a directory was made. A file makes way for a directory, and an
# empty directory for a file.
dir() {
    new=
    if [ -d "$1" ]; then return; fi
    rm -f "$1"
    mkdir "$1"
    chown "$3" "$1"
    chmod "$2" "$1"
    new=1
}
# Where a tree is to be, only a directory or nothing may be.
tree() {
    if [ -d "$1" ]; then return; fi
    if [ -e "$1" ] || [ -L "$1" ]; then refuse "$1 is no directory"; fi
}
clear() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir "$1"; fi
    rm -f "$1"
}
put() {
    clear "$1"
    cat >"$1"
    chown "$3" "$1"
    chmod "$2" "$1"
}

# HOW LENGTH PLACE PATH: a file of zeros with data at a place
zeros() {
    case $1 in holes) truncate -s "$2" "$4" ;; *) head -c "$2" /dev/zero >"$4" ;; esac
    printf data | dd of="$4" bs=4 seek=$(($3 / 4)) conv=notrunc 2>/dev/null
}

# PATH NAME VALUE, the value in hexadecimal. Base systems have no setfattr.
attribute() {
    perl -e '
        chomp(my $machine = `uname -m`);
        my $call = $machine eq "x86_64" ? 188 : 5;
        my ($path, $name, $value) = (@ARGV[0, 1], pack("H*", $ARGV[2]));
        syscall($call, $path, $name, $value, length $value, 0) == 0 or die "$path: $name: $!\n"' "$@"
}

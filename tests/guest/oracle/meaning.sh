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

# IF_PRESENT MODE OWNER PATH...; several paths, or one that is not there, are what a glob finds
permissions() {
    present=$1 mode=$2 owner=$3
    shift 3
    if [ -n "$owner" ]; then
        : >/run/oracle-owner
        chown "$owner" /run/oracle-owner
    fi
    for path; do
        if leads "$path"; then
            path=$(realpath "$path")
            if [ -n "$owner" ]; then chown "$owner" "$path"; fi
            if [ -n "$mode" ]; then chmod "$mode" "$path"; fi
        elif [ -z "$present" ]; then
            refuse "$path is not there"
        fi
    done
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

# The file of a unit, most specific directory first; a mask alone is no unit.
unit_file() {
    for at in /etc/systemd/system /usr/local/lib/systemd/system /lib/systemd/system; do
        if [ -e "$at/$1" ] && [ "$(readlink "$at/$1")" != /dev/null ]; then
            echo "$at/$1"
            return
        fi
    done
}

# DIRECTORY... UNIT: another name of a unit is refused.
no_alias() {
    eval "unit=\$$#"
    while [ $# -gt 1 ]; do
        target=$(readlink "$1/$unit") || target=
        case $target in '' | /dev/null | */"$unit") ;; *) refuse "$unit is another name" ;; esac
        shift
    done
}
no_alias_anywhere() {
    no_alias /etc/systemd/system /usr/local/lib/systemd/system /lib/systemd/system "$1"
}

# Whether a unit is installed, or else is passed over or refused: IF_PRESENT FILE
installed() {
    if [ -n "$(unit_file "$2")" ]; then return; fi
    [ -n "$1" ] || refuse "$2 is not installed"
    return 1
}

masked() {
    [ "$(readlink "/etc/systemd/system/$1")" = /dev/null ]
}

# Whether a link starts a unit.
started() {
    for link in /etc/systemd/system/*.wants/"$1" /etc/systemd/system/*.requires/"$1" /lib/systemd/system/*.wants/"$1"; do
        if [ -L "$link" ]; then return; fi
    done
    return 1
}

# FILE LINK...
links() {
    path=$(unit_file "$1")
    shift
    for link; do
        way "/etc/systemd/system/$link"
        [ -L "/etc/systemd/system/$link" ] || ln -s "$path" "/etc/systemd/system/$link"
    done
}

# IF_PRESENT NAME FILE ALSO ALSO_LINK LINK...
enable_unit() {
    installed "$1" "$3" || return 0
    no_alias_anywhere "$2"
    if masked "$2"; then refuse "$2 is masked"; fi
    name=$2 file=$3 also=$4 also_link=$5
    shift 5
    if [ $# = 0 ] && [ -z "$also" ] && ! started "$name"; then refuse "nothing starts $name"; fi
    links "$file" "$@"
    if [ -n "$also" ]; then links "$also" "$also_link"; fi
}

# NAME FILE: removes the links to a unit, and directories in which nothing else is.
unlink_unit() {
    path=$(unit_file "$2")
    for link in /etc/systemd/system/*; do
        if [ -L "$link" ] && [ "$(readlink "$link")" = "$path" ]; then rm "$link"; fi
    done
    for link in /etc/systemd/system/*.wants/"$1" /etc/systemd/system/*.requires/"$1"; do
        if [ -L "$link" ]; then
            rm "$link"
            rmdir --ignore-fail-on-non-empty "${link%/*}"
        fi
    done
}

# IF_PRESENT NAME FILE MASKED_NEXT ALSO
disable_unit() {
    installed "$1" "$3" || return 0
    no_alias_anywhere "$2"
    if masked "$2"; then return; fi
    unlink_unit "$2" "$3"
    if [ -n "$5" ]; then unlink_unit "$5" "$5"; fi
    if [ -z "$4" ] && started "$2"; then refuse "$2 is still started"; fi
}

# IF_PRESENT NAME FILE
mask_unit() {
    if [ -n "$1" ] && [ -z "$(unit_file "$3")" ]; then return; fi
    path=/etc/systemd/system/$2
    if [ -f "$path" ] && [ ! -L "$path" ]; then refuse "$2 is a file"; fi
    no_alias /etc/systemd/system "$2"
    link /dev/null "$path"
}

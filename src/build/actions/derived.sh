# Makes derived files again if the build has changed their sources: caches, bundles, the initramfs, the boot menu.
#
# The script finds changes by the time of the last change of an inode (ctime). The guest's kernel sets it, and no program can:
# files from packages, archives and recipes have other modification times. Before the first change, `note` sets the ctime of
# every derived file to now, so that the script takes the files of a base as they are, whatever their times. The times are in
# the image, so a build that starts from a layer sees them too.
#
# $1: `note` or `make`. Environment: GRUB (directory of its menu), and the mechanisms BOOTLOADER, INITRAMFS, LOCALE, CERTIFICATES.
# If a file cannot be made, the script prints the reason and ends with 99. The functions initramfs, grub and packages come first.
mode=$1
export LC_ALL=C.UTF-8

undone() {
    printf '%s\n' "$1" >&2
    exit 99
}

# The programs that this script needs to compare files. An image may lack them as long as it has nothing to compare.
missing=
for tool in chmod find grep head readlink sed sleep sort tr; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
# The find of busybox compares no times of inodes. Its stat prints them, in whole seconds.
exact=
! find / -maxdepth 0 -newercc / >/dev/null 2>&1 || exact=yes
[ -n "$exact$missing" ] || find /bin/sh -exec stat -c '%Z %n' {} + >/dev/null 2>&1 || missing=" find of GNU"
# Packages that the build installs may bring what the base lacks, so only the comparison at the end fails.
if [ "$mode" = note ] && [ -n "$missing" ]; then
    exit 0
fi

# Fails if a program for the comparison of $1 is missing.
comparable() {
    [ -z "$missing" ] ||
        undone "the image lacks programs by which Goldsmith tells whether $1 must be made again:$missing: install findutils, coreutils, grep and sed"
}

# Prints the files in the existing paths $2... that are newer than $1.
compared() {
    if [ -n "$exact" ]; then
        since=$1
        shift
        find -H "$@" -newercc "$since" -print 2>/dev/null
        return
    fi
    since=$(stat -c %Z "$1")
    shift
    find -H "$@" -exec stat -c '%Z %n' {} + 2>/dev/null | while read -r time path; do
        [ "$time" -le "$since" ] || printf '%s\n' "$path"
    done
}

# Prints the first file in the paths $2... that is newer than $1.
newer() {
    since=$1
    shift
    paths=
    for path; do
        [ ! -e "$path" ] || paths="$paths $path"
    done
    [ -n "$paths" ] || return 0
    if [ -n "$exact" ] && [ "${most:-1}" = 1 ]; then
        find -H $paths -newercc "$since" -print -quit 2>/dev/null || :
    else
        compared "$since" $paths | head -n "${most:-1}"
    fi
}

# Succeeds if $1 is outdated: the first existing file of $3, which the program $2 makes, is older than one of the sources $4.
# `found` then holds these sources. If no file of $3 exists, the program itself stands for it.
outdated() {
    what=$1 program=$2 made=
    for path in $3; do
        [ -n "$made" ] || [ ! -e "$path" ] || made=$path
    done
    by=$(command -v "$program" || :)
    if [ "$mode" = note ]; then
        noted="$noted $made $by" all="$all $4"
        return 1
    fi
    for path in $4; do
        [ ! -e "$path" ] || comparable "$what"
    done
    since=${made:-${by:-$shell}}
    found=$(newer "$since" $4)
    [ -n "$found" ] || return 1
    first=$(printf '%s\n' "$found" | head -n 1)
    [ -n "$by" ] || undone "$first has changed, and the image has no program $program, which makes $what from it: install its package"
    echo "making $what again: $first has changed"
}

# Fails if the new file $1 is still older than one of its sources $2.
fresh() {
    found=$(newer "$1" $2)
    [ -z "$found" ] || undone "$program succeeded, but $1 is still older than $found"
}

named() {
    sed -n 's/#.*//; s/^[[:space:]]*\(\/[^[:space:]=]*\).*/\1/p' "$@" 2>/dev/null || :
}

# Succeeds if nothing has changed since an earlier look in the same guest, of which the file $1 tells. /run is no part of the image.
same() {
    [ -e "$1" ] && [ -z "$missing" ] && [ -n "$exact" ] || return 1
    watched= dirs=
    for path in $(initramfs inputs) /etc/ld.so.conf /etc/ld.so.conf.d /etc/locale.gen /usr/local/share/ca-certificates \
        /etc/ca-certificates.conf /etc/pki/ca-trust/source /etc/pki/trust /etc/ca-certificates/trust-source /etc/udev/hwdb.d /etc/aliases /usr/share/glib-2.0/schemas \
        /etc/default/grub /etc/default/grub.d /etc/grub.d /etc/os-release /usr/lib/os-release /etc/lsb-release \
        /lib/modules /boot /var/lib/dpkg/status; do
        [ ! -e "$path" ] || watched="$watched $path"
    done
    for path in $(named /etc/ld.so.conf /etc/ld.so.conf.d/*.conf) /lib /usr/lib /lib64 /usr/lib64; do
        [ ! -d "$path" ] || dirs="$dirs $path"
    done
    # An empty rule of udev only hides another one.
    changed=$(
        [ -z "$watched" ] || find -H $watched -newercc "$1" ! -path /etc/udev/rules.d \
            ! '(' -path '/etc/udev/rules.d/*' -empty ')' -print -quit
        [ -z "$dirs" ] || find -H $dirs -maxdepth 1 -name 'lib*.so*' -newercc "$1" -print -quit
    )
    [ -z "$changed" ]
}
seen=/run/goldsmith-derived
if [ "$mode" = make ] && same "$seen"; then
    exit 0
fi

shell=/bin/sh
[ -n "$missing" ] || shell=$(readlink -f /bin/sh)
noted=$shell all=

# The lists of modules of each kernel. depmod writes into the directory above the sources.
for modules in /lib/modules/*/; do
    modules=${modules%/}
    [ -e "$modules/modules.dep" ] || continue
    sources="$modules/kernel $modules/updates $modules/extra $modules/weak-updates $modules/misc"
    if outdated "the list of the modules in $modules" depmod "$modules/modules.dep" "$sources"; then
        depmod "${modules##*/}"
        fresh "$modules/modules.dep" "$sources"
    fi
done

# The cache of the dynamic linker. Removed libraries may stay in the cache; new ones must be in it.
cache=/etc/ld.so.cache sources="/etc/ld.so.conf /etc/ld.so.conf.d"
if outdated "the cache of the dynamic linker" ldconfig "$cache" "$sources"; then
    ldconfig
    fresh "$cache" "$sources"
fi
if [ "$mode" = make ] && [ -e "$cache" ] && command -v ldconfig >/dev/null; then
    [ -n "$exact$missing" ] || missing=" find of GNU"
    comparable "the cache of the dynamic linker"
    dirs=
    for path in $(named /etc/ld.so.conf /etc/ld.so.conf.d/*.conf) /lib /usr/lib /lib64 /usr/lib64; do
        [ ! -d "$path" ] || dirs="$dirs $path"
    done
    new=$(find -H $dirs -maxdepth 1 -name 'lib*.so*' -newercc "$cache" -print -quit)
    if [ -n "$new" ]; then
        echo "making the cache of the dynamic linker again: $new has changed"
        ldconfig
    fi
    # ldconfig skips libraries of other systems in the directories that the build has added.
    changed=$(find -H $sources -type f -newercc "$shell" -print 2>/dev/null)
    for path in $([ -z "$changed" ] || named $changed); do
        lib=$(find -H "$path" -maxdepth 1 -name 'lib*.so*' -type f -print -quit 2>/dev/null || :)
        # ldconfig prints a directory by one of its names.
        [ -z "$lib" ] || readlink -f $(ldconfig -p | sed -n 's,.* => \(/.*\)/[^/]*$,\1,p' | sort -u) | grep -qxF -e "$(readlink -f "$path")" ||
            undone "ldconfig succeeded but added no library of $path, such as $lib: is it for this system?"
    done
fi

# Locales. `locale` calls setlocale(3), which fails for a missing one.
if { [ "$LOCALE" = locale-gen ] || [ "$LOCALE" = locale-gen-conf ]; } &&
    outdated "the locales" locale-gen /usr/lib/locale/locale-archive /etc/locale.gen; then
    locale-gen
    sed 's/#.*//' /etc/locale.gen | while read -r locale _; do
        [ -n "$locale" ] || continue
        said=$(LC_ALL=$locale locale charmap 2>&1 >/dev/null) || :
        [ -z "$said" ] || undone "locale-gen succeeded but did not make $locale, which /etc/locale.gen lists"
    done
fi

# The bundle of trusted certificates.
case $CERTIFICATES in
    update-ca-certificates) bundle=/etc/ssl/certs/ca-certificates.crt program=update-ca-certificates \
        own=/usr/local/share/ca-certificates sources="/usr/local/share/ca-certificates /etc/ca-certificates.conf" ;;
    update-ca-trust) bundle=/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem program=update-ca-trust \
        own=/etc/pki/ca-trust/source/anchors sources=/etc/pki/ca-trust/source ;;
    pki-trust) bundle=/var/lib/ca-certificates/ca-bundle.pem program=update-ca-certificates \
        own=/etc/pki/trust/anchors sources=/etc/pki/trust ;;
    trust-source) bundle=/etc/ca-certificates/extracted/tls-ca-bundle.pem program=update-ca-trust \
        own=/etc/ca-certificates/trust-source/anchors sources=/etc/ca-certificates/trust-source ;;
esac
if most=1000 outdated "the bundle of trusted certificates" "$program" "$bundle" "$sources"; then
    changed=$found
    "$program"
    [ -s "$bundle" ] || undone "$program succeeded but did not make $bundle"
    # The program skips a file that is no certificate or has the wrong name, and ends with 0.
    printf '%s\n' "$changed" | while IFS= read -r path; do
        case $path in "$own"/*) [ -f "$path" ] || continue ;; *) continue ;; esac
        end=$(tr -d '\r' <"$path" | grep -B 1 -e '^-----END \(TRUSTED \)\?CERTIFICATE-----' | head -n 1)
        case $CERTIFICATES/$path in
            update-ca-certificates/*.crt)
                count=$(grep -c -e '^-----BEGIN CERTIFICATE-----' "$path") || :
                # Without openssl, the comparison with the bundle below must do.
                [ "$count" = 1 ] && { ! command -v openssl >/dev/null || openssl x509 -in "$path" -noout 2>/dev/null; } ||
                    undone "$path does not hold exactly one certificate in PEM format, so programs do not find it"
                ;;
            update-ca-certificates/*)
                [ -z "$end" ] || undone "$program takes only files whose name ends with .crt: rename $path"
                ;;
        esac
        # The last line before the end is part of the signature, which differs between certificates.
        [ -z "$end" ] || grep -qxF -e "$end" "$bundle" ||
            undone "$program succeeded, but the certificate of $path is not in $bundle: is it a CA certificate in PEM format?"
    done
    fresh "$bundle" "$sources"
fi

# The database of hardware. udev prefers the local one to that of the package.
if outdated "the database of hardware" systemd-hwdb "/etc/udev/hwdb.bin /usr/lib/udev/hwdb.bin /lib/udev/hwdb.bin" /etc/udev/hwdb.d; then
    systemd-hwdb update
    fresh /etc/udev/hwdb.bin /etc/udev/hwdb.d
fi

# The database of mail aliases, if the image has one.
if [ -e /etc/aliases.db ] && outdated "the database of mail aliases" newaliases /etc/aliases.db /etc/aliases; then
    newaliases
    fresh /etc/aliases.db /etc/aliases
fi

# The schemas of GNOME's settings.
schemas=/usr/share/glib-2.0/schemas
if [ -e $schemas/gschemas.compiled ] &&
    outdated "the settings' schemas" glib-compile-schemas $schemas/gschemas.compiled "$schemas/*.xml $schemas/*.override"; then
    glib-compile-schemas $schemas
    fresh $schemas/gschemas.compiled "$schemas/*.xml $schemas/*.override"
fi

# The initramfs. An image without any boots without.
kernels=
for path in /boot/vmlinu[xz]-* /lib/modules/*/vmlinuz; do
    [ ! -e "$path" ] || kernels=yes
done
initrds=
for path in /boot/initrd* /boot/initramfs*; do
    [ ! -e "$path" ] || initrds="$initrds $path"
done
noted="$noted $initrds"
if [ "$mode" = make ] && [ -n "$kernels" ] && [ -n "$initrds" ] &&
    { command -v update-initramfs || command -v dracut || command -v mkinitfs || command -v mkinitcpio; } >/dev/null; then
    comparable "the initramfs"
    initramfs
fi

# The menu of the boot loader.
settings="/etc/default/grub /etc/default/grub.d /etc/grub.d"
# The titles of its entries have the name of the system.
[ -z "$GRUB" ] || ! command -v "${GRUB##*/}-mkconfig" >/dev/null || settings="$settings /etc/os-release /usr/lib/os-release /etc/lsb-release"
stale=
if [ -n "$GRUB" ] && [ -e "$GRUB/grub.cfg" ]; then
    if outdated "the boot menu" "${GRUB##*/}-mkconfig" "$GRUB/grub.cfg" "$settings"; then
        stale=yes
    elif [ "$mode" = make ] && [ "$BOOTLOADER" != grub-bls ] && [ -n "$kernels" ]; then
        comparable "the boot menu"
        # A kernel that was added or removed without its menu entry.
        for path in /boot/vmlinu[xz]-* /boot/initrd*-* /boot/initramfs-* /boot/xen-*.gz; do
            case $path in *.old* | *.bak | *-rescue* | *kdump* | *.dpkg-*) continue ;; esac
            [ ! -e "$path" ] || grep -qF -e "${path##*/}" "$GRUB/grub.cfg" || stale=$path
        done
        for name in $(grep -oE '/(vmlinu[xz]|initrd|initramfs)[^][:space:]"'"'"']*' "$GRUB/grub.cfg" | sort -u); do
            [ -e "/boot$name" ] || stale=/boot$name
        done
        [ -z "$stale" ] || echo "making the boot menu again: it does not agree with $stale"
    fi
fi
if [ -n "$stale" ]; then
    program=${GRUB##*/}-mkconfig
    command -v "$program" >/dev/null ||
        undone "the boot menu must be made again, and the image has no program $program: install its package"
    grub
    fresh "$GRUB/grub.cfg" "$settings"
    if [ "$BOOTLOADER" = grub-bls ]; then
        # With BLS, each entry is a file that holds the arguments too.
        args=$(set +eu; . /etc/default/grub >/dev/null; printf %s "${GRUB_CMDLINE_LINUX-}")
        for entry in /boot/loader/entries/*.conf; do
            [ -e "$entry" ] || continue
            options=" $(sed -n 's/^options[[:space:]]*//p' "$entry") $(sed -n 's/^kernelopts=//p' "$GRUB/grubenv" 2>/dev/null || :) "
            for arg in $args; do
                case $options in
                    *" $arg "*) ;;
                    *) grubby --update-kernel=ALL --args="$arg" ||
                        undone "the entry $entry lacks \`$arg\` of /etc/default/grub, and grubby could not add it" ;;
                esac
            done
        done
    else
        for path in /boot/vmlinu[xz]-*; do
            case $path in *.old* | *.bak | *-rescue* | *kdump* | *.dpkg-*) continue ;; esac
            [ ! -e "$path" ] || grep -qE -e "^[[:space:]]*linux[^[:space:]]*[[:space:]]+[^[:space:]]*${path##*/}" "$GRUB/grub.cfg" ||
                undone "$program succeeded but made no entry in $GRUB/grub.cfg that starts $path"
        done
    fi
fi

# The states of packages, if this build has changed any.
if [ "$mode" = make ] && [ -e /var/lib/dpkg/status ] && command -v dpkg-query >/dev/null; then
    comparable "the states of packages"
    [ -z "$(newer "$shell" /var/lib/dpkg/status)" ] || packages
fi

if [ "$mode" = note ]; then
    # This changes only the ctime.
    touch_them() {
        chmod u+r $noted 2>/dev/null || :
    }
    touch_them
    # Sources may have times in the future, from a machine with a wrong clock.
    most=1000000
    ahead=$(newer "$shell" $all)
    if [ -n "$ahead" ]; then
        printf '%s\n' "$ahead" | while IFS= read -r path; do
            chmod u+r "$path" 2>/dev/null || :
        done
        touch_them
    fi
elif [ -d /run ]; then
    : >"$seen"
fi
# A change within the same tick of the kernel's clock, at most 10 ms, would get the same time.
{ [ -n "$exact" ] && sleep 0.05; } || sleep 1

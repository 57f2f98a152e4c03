#!/bin/sh
# Refuses names that are no modules of the image's kernels: $LOAD, $DENY, $OPTIONS.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ -n "$LOAD$DENY$OPTIONS" ] || fail "the lists are empty: leave the element \`modprobe\` out"
for module in $LOAD $DENY; do
    case $module in *[!A-Za-z0-9_-]*) fail "\`$module\` is not the name of a module" ;; esac
done
printf '%s' "$OPTIONS" | awk '!/^[A-Za-z0-9_-]+( [^ =]+(=[^ ]*)?)+$/ { print "`" $0 "` is no option: write it like `kvm_intel nested=1`"; bad = 1 } END { exit bad }' >&2
for module in $LOAD; do
    case " $DENY " in *" $module "*) fail "the module $module is both in \`load\` and in \`deny\`" ;; esac
done

# A removed kernel leaves its directory behind, without a list of modules.
for modules in /lib/modules/*/modules.dep; do
    [ -e "$modules" ] || fail "the image has no kernel with modules in /lib/modules"
    release=${modules%/modules.dep}
    release=${release##*/}
    for module in $LOAD; do
        # modprobe -D fails for a module that the kernel lacks, and says `builtin` of one that is part of it.
        modprobe -D -S "$release" "$module" >/dev/null || fail "the kernel $release has no module $module: another flavour of the element \`kernel\` may have it"
    done
    for module in $DENY; do
        case $(modprobe -D -S "$release" "$module" 2>/dev/null) in
            builtin*) fail "$module is part of the kernel $release itself, so that nothing can keep it from being there" ;;
        esac
    done
done

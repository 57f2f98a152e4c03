#!/bin/sh
# Takes apk out of an image of Alpine, as a program that runs here.
# Usage: program.sh IMAGE OUT, where OUT gets bin/apk and what it needs.
set -eu
image=$1 out=$2
mkdir -p "$out/apk" "$out/bin"
qemu-img convert -O raw "$image" "$out/image.raw"
for file in /sbin/apk /usr/lib/libapk.so.3.0.0 /usr/lib/libcrypto.so.3 /usr/lib/libssl.so.3 /usr/lib/libz.so.1 /lib/ld-musl-x86_64.so.1; do
    # debugfs follows no links.
    link=$(debugfs -R "stat $file" "$out/image.raw" 2>/dev/null | sed -n 's/^Fast link dest: "\(.*\)"/\1/p')
    debugfs -R "dump ${link:+${file%/*}/}${link:-$file} $out/apk/${file##*/}" "$out/image.raw" 2>/dev/null
    [ -s "$out/apk/${file##*/}" ] || { echo "the image has no $file" >&2; exit 1; }
done
rm "$out/image.raw"
chmod 755 "$out/apk/apk" "$out/apk/ld-musl-x86_64.so.1"
printf '#!/bin/sh\nexec "%s/ld-musl-x86_64.so.1" --library-path "%s" "%s/apk" "$@"\n' "$out/apk" "$out/apk" "$out/apk" >"$out/bin/apk"
chmod 755 "$out/bin/apk"

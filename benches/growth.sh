#!/bin/sh
# What costs how much more when there is more of it: layers in the cache, files in an image, empty disk, layers in a chain, builds
# at once. Prints size, median time, peak memory of goldsmith, and the slope: the growth of the time for each growth of the size
# (1.00: in proportion; more: faster than the work).
# Run it as root, on an idle machine, with cargo, jq, qemu-utils, e2fsprogs and fdisk; it needs 12 GB of disk for all parts.
# Usage: growth.sh [PART...] (layers, files, sparse, chain, builds; default: all)
# FILES="200000 2000000", DATA=2 (GiB), SIZES="20 200" (GiB of disk), RUNS=3 and BUILDS=8 change sizes; GOLDSMITH=PROGRAM measures that program.
set -eu
cd "$(dirname "$0")/.."
runs=${RUNS:-3} data=${DATA:-2} sizes=${SIZES:-20 200} files=${FILES:-200000 2000000} builds=${BUILDS:-8}
parts=${*:-layers files sparse chain builds}
name=growth
. benches/program.sh

row() { printf '%-40s %14s %10s %10s %s\n' "$@"; }
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# Runs a command some times. Notes wall times and the peak memory of the process itself (MB).
measure() {
    : > "$work/times"; : > "$work/memory"
    for _ in $(seq "$runs"); do
        start=$(date +%s.%N)
        "$@" > "$work/log" 2>&1 & pid=$! last=0
        while peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null); [ -n "$peak" ]; do
            last=$peak
            sleep 0.02
        done
        wait "$pid" || [ -n "${fails:-}" ] || { tail -n 40 "$work/log" >&2; exit 1; }
        echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/times"
        echo "$last" | awk '{ printf "%.0f\n", $1 / 1024 }' >> "$work/memory"
    done
    time=$(median "$work/times") memory=$(sort -n "$work/memory" | tail -n 1)
}
# A row for a size, with the slope since the size before of the same name.
grown() {
    name=$1 size=$2
    slope=
    if [ -e "$work/before.$name" ]; then
        read -r old_size old_time < "$work/before.$name"
        slope=$(echo "$old_size $size $old_time $time" | awk '{ printf "%.2f", log($4 / $3) / log($2 / $1) }')
    fi
    echo "$size $time" > "$work/before.$name"
    row "$(echo "$name" | tr _ ' ')" "$size" "$time s" "$memory MB" "$slope"
}

# A cache of images with twenty layers each, all with their facts.
layers() {
    recipe=recipes/debian-12.yaml
    "$goldsmith" plan "$recipe" --cache "$work/pins" > /dev/null
    for count in 1000 10000; do
        cache=$work/cache.$count
        mkdir -p "$cache/layers" "$cache/images" && chmod 0700 "$cache"
        echo '{"version":1}' > "$cache/store.json"
        cp -r "$work/pins/pins" "$cache/"
        qemu-img create -q -f qcow2 "$work/layer.qcow2" 3G
        digest=$(sha256sum "$work/layer.qcow2" | cut -d' ' -f1) size=$(stat -c %s "$work/layer.qcow2")
        seq "$count" | awk '{ printf "%064x\n", $1 }' | (cd "$cache/layers" && xargs mkdir -m 0700)
        packages=$(seq 400 | awk '{ printf "%s{\"name\":\"package-%d\",\"version\":\"1.%d-1\",\"arch\":\"amd64\"}", (NR > 1 ? "," : ""), $1, $1 }')
        seq "$count" | awk -v dir="$cache/layers" -v digest="$digest" -v size="$size" -v packages="$packages" '{
            key = sprintf("%064x", $1); step = ($1 - 1) % 20; path = dir "/" key
            parent = step ? sprintf("\"%064x\"", $1 - 1) : "null"
            below = step ? "\"" digest "\"" : "null"
            facts = step == 19 ? ",\"facts\":{\"packages\":[" packages "]}" : ""
            printf "{\"parent\":%s,\"parent_sha256\":%s,\"image\":null,\"size\":%d,\"sha256\":\"%s\",\"created\":\"2026-01-01T00:00:%02d.000Z\",\"seconds\":1.0,\"step\":\"configure sshd\",\"image_name\":\"image-%d\"%s}", parent, below, size, digest, step, $1 / 20, facts > (path "/layer.json")
            printf "{\"format\":6,\"actions\":[],\"parent\":%s}", parent > (path "/key.json")
            close(path "/layer.json"); close(path "/key.json")
        }'
        for dir in "$cache"/layers/*; do ln "$work/layer.qcow2" "$dir/disk.qcow2"; : > "$dir/lock"; done
        measure "$goldsmith" plan "$recipe" --offline --cache "$cache"; grown layers:_plan "$count"
        measure "$goldsmith" cache ls --cache "$cache"; grown layers:_cache_ls "$count"
        measure "$goldsmith" cache gc --dry-run --max-age 1d --cache "$cache"; grown layers:_cache_gc_--dry-run "$count"
        rm -rf "$cache" "$work/layer.qcow2"
    done
}

# An image with many files: as much of Debian as an inspection needs, and files of one kilobyte in directories of a thousand.
files() {
    for count in $files; do
        root=$work/root
        mkdir -p "$root/bin" "$root/boot" "$root/etc" "$root/lib" "$root/usr/bin" "$root/var/lib/dpkg" "$root/srv"
        cp /bin/true "$root/bin/ls"
        printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n' > "$root/etc/os-release"
        echo 12.4 > "$root/etc/debian_version"; echo 'LABEL=root / ext4 defaults 0 1' > "$root/etc/fstab"
        : > "$root/var/lib/dpkg/status"
        seq 0 $((count / 1000 - 1)) | awk -v root="$root/srv" '{ print root "/" $1 }' | xargs mkdir
        seq "$count" | awk -v root="$root/srv" '{ path = root "/" int(($1 - 1) / 1000) "/file-" $1; printf "" > path; close(path) }'
        size=$((count / 2000 + 512))
        rm -f "$work/disk.raw"; truncate -s "$((size + 4))M" "$work/disk.raw"
        printf 'label: gpt\nstart=2048, size=%d, type=linux\n' $((size * 2048)) | sfdisk -q "$work/disk.raw"
        mke2fs -q -t ext4 -L root -N $((count + 10000)) -d "$root" -E offset=1048576,nodiscard "$work/disk.raw" "${size}M"
        rm -rf "$root"
        qemu-img convert -O qcow2 "$work/disk.raw" "$work/disk.qcow2"; rm "$work/disk.raw"
        measure "$goldsmith" inspect "$work/disk.qcow2" --accel "$accel"; grown files:_inspect "$count"
        measure "$goldsmith" diff "$work/disk.qcow2" "$work/disk.qcow2" --accel "$accel"; grown files:_diff "$count"
        # Its checks fail: the image does not boot. That they are made is what is measured.
        fails=yes
        measure "$goldsmith" verify --static "$work/disk.qcow2" --accel "$accel"
        fails=
        grep -q 'checks failed' "$work/log" || { tail -n 20 "$work/log" >&2; exit 1; }
        grown files:_verify_--static "$count"
        rm "$work/disk.qcow2"
    done
}

# The same data in disks of more and more emptiness, converted to qcow2.
sparse() {
    for size in $sizes; do
        truncate -s "${size}G" "$work/sparse.raw"
        printf 'label: gpt\nstart=2048, type=linux\n' | sfdisk -q "$work/sparse.raw"
        for gib in $(seq "$data"); do
            openssl enc -aes-128-ctr -pass pass:x -nosalt < /dev/zero 2> /dev/null | head -c 512M |
                dd of="$work/sparse.raw" bs=1M seek=$((gib * size * 1024 / (data + 1))) conv=notrunc status=none iflag=fullblock
            yes "a line of text, number $gib" | head -c 512M |
                dd of="$work/sparse.raw" bs=1M seek=$((gib * size * 1024 / (data + 1) + 512)) conv=notrunc status=none iflag=fullblock
        done
        measure "$goldsmith" convert "$work/sparse.raw" "$work/sparse.qcow2" --force
        grown "sparse:_${data}_GiB_of_data_in_GiB" "$size"
        rm "$work/sparse.raw" "$work/sparse.qcow2"
    done
}

# Forty layers on a disk, each of which changes 16 MiB, against the same disk in one file.
chain() {
    cargo build --quiet --release --locked --example read_disk
    reader=target/release/examples/read_disk
    mkdir "$work/chain"
    truncate -s 3G "$work/chain/raw"
    openssl enc -aes-128-ctr -pass pass:x -nosalt < /dev/zero 2> /dev/null | head -c 1G |
        dd of="$work/chain/raw" bs=1M conv=notrunc status=none iflag=fullblock
    qemu-img convert -f raw -O qcow2 "$work/chain/raw" "$work/chain/0.qcow2"; rm "$work/chain/raw"
    for layer in $(seq 40); do
        qemu-img create -q -f qcow2 -F qcow2 -b $((layer - 1)).qcow2 "$work/chain/$layer.qcow2"
        qemu-io -f qcow2 -c "write -q -P $layer $((layer * 25))M 8M" -c "write -q -P $layer $((2000 + layer * 20))M 8M" "$work/chain/$layer.qcow2"
    done
    qemu-img convert -f qcow2 -O qcow2 "$work/chain/40.qcow2" "$work/chain/flat.qcow2"
    # The page cache is warm on both sides.
    for disk in 40 flat; do "$reader" "$work/chain/$disk.qcow2" "$work/chain" > /dev/null; done
    for disk in flat 40 flat 40; do
        measure "$reader" "$work/chain/$disk.qcow2" "$work/chain"
        echo "$time" >> "$work/chain/times.$disk"
    done
    flat=$(sort -n "$work/chain/times.flat" | head -n 1) deep=$(sort -n "$work/chain/times.40" | head -n 1)
    row "chain: one file" 1 "$flat s" "" ""
    row "chain: 40 layers on it" 40 "$deep s" "$memory MB" "$(echo "$deep $flat" | awk '{ printf "%.2f of one file (1.10)", $1 / $2 }')"
    rm -rf "$work/chain"
}

# Builds at once on one cache, which differ in their last step, against one alone.
builds() {
    recipe() {
        awk '/^(steps|verify):/ { skip = 1; next } /^[a-z]/ { skip = 0 } !skip' recipes/debian-12.yaml
        printf 'steps:\n  configure:\n    - write: { path: /etc/motd, content: "%s" }\n' "$1"
    }
    build() { "$goldsmith" build "$work/$1.yaml" --cache "$work/cache" --out "$work/out/$1" --accel "$accel" > "$work/$1.log" 2>&1; }
    recipe first > "$work/first.yaml"
    build first || { cat "$work/first.log" >&2; exit 1; }
    for count in 1 "$builds"; do
        start=$(date +%s.%N)
        pids=
        for number in $(seq "$count"); do
            recipe "$count $number" > "$work/b$count-$number.yaml"
            build "b$count-$number" & pids="$pids $!"
        done
        for pid in $pids; do wait "$pid" || { tail -n 20 "$work"/b"$count"-*.log >&2; exit 1; }; done
        time=$(echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }') memory=-
        grown builds:_at_once_on_one_cache "$count"
    done
}

row "" size time memory slope
for part in $parts; do
    case $part in
        layers | files | sparse | chain | builds) "$part" ;;
        *) echo "growth.sh: there is no part $part" >&2; exit 1 ;;
    esac
done

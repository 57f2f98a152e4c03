# Runs dnf, yum, zypper and others, and finds out what they mean. If they have not done all, the script prints the reason and ends with 99.
notes=$(mktemp -d "${TMPDIR:-/run}/goldsmith-packages.XXXXXX")
trap 'rm -rf "$notes"' EXIT

undone() {
    printf '%s\n' "$1" >&2
    exit 99
}

# Runs a program, and puts its exit status into `status`. It is judged by its output too: rpm only warns if a script of a package
# has failed, and yum passes over a package that it does not know.
transaction() {
    echo 0 >"$notes/status"
    { "$@" 2>&1 || echo $? >"$notes/status"; } | tee "$notes/output"
    read -r status <"$notes/status"
    failed=$(grep -E -m 1 'scriptlet failed, |%[a-z]+ script failed' "$notes/output") || :
    [ -z "$failed" ] || undone "a script of a package failed: $failed"
    unknown=$(sed -n 's/^No package \(.*\) available\.$/No match for argument: \1/p' "$notes/output")
    [ -z "$unknown" ] || { printf '%s\n' "$unknown" >&2; exit 1; }
}

# Runs zypper: zypper(8), "EXIT CODES".
zypper() {
    transaction command zypper --non-interactive "$@"
    case $status in
        # 102 asks for a restart of the machine, 103 for one of zypper. Both come after a success.
        0 | 102 | 103) ;;
        # There is no such package. To remove it is no error if it is not there.
        104) [ "$1" = remove ] && ! rpm -q $REMOVE | grep -v ' is not installed$' || exit 104 ;;
        106) undone "zypper could not refresh a repository and left it out" ;;
        107) undone "a script of a package failed" ;;
        *) exit "$status" ;;
    esac
}

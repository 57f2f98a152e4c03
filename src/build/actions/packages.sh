# Fails if a package is not completely installed: dpkg-query(1) describes the states of packages.
broken=$(dpkg-query --show --showformat='${db:Status-Abbrev}${binary:Package} (${db:Status-Status})\n' | grep -E '^.([HUFWt]|.R)' | cut -c 4-) || :
if [ -n "$broken" ]; then
    dpkg --audit >&2 || :
    echo "dpkg has not completely installed these packages:" $broken >&2
    exit 99
fi

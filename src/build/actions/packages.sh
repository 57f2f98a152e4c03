# Fails where a package is not installed as it should be: dpkg-query(1) on the states of packages.
broken=$(dpkg-query --show --showformat='${db:Status-Abbrev}${binary:Package} (${db:Status-Status})\n' | grep -E '^.([HUFWt]|.R)' | cut -c 4-) || :
if [ -n "$broken" ]; then
    dpkg --audit >&2 || :
    echo "dpkg has not installed these packages as it should:" $broken >&2
    exit 99
fi

# Prints the lines of sources.list of the release $release, with the mirrors of this machine's own apt; nothing without apt.
debian_sources() {
    ! command -v apt-get >/dev/null || apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v release="$release" '$1 == "Debian" && $3 ~ /-security$/ { print "deb " $2 " " release "-security main" }
            $1 == "Debian" && $3 !~ /-/ { print "deb " $2 " " release " main"; print "deb " $2 " " release "-updates main" }' |
        sort -u
}

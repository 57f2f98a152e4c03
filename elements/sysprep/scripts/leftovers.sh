#!/bin/sh
# Removes the leftovers that the arguments name.
set -eu

# Keep directories: they belong to packages, and services do not start without them. A link to a directory is followed only
# if it is named here.
files_below() {
    for directory; do
        [ ! -d "$directory" ] || find -H "$directory" -xdev ! -type d ! -type l -delete
    done
}

for what; do
    case $what in
        logs)
            find /var/log -xdev ! -type d -delete
            rm -rf /var/log/journal/*
            rm -f /var/named/data/named.run
            ;;
        service-policy)
            [ ! -e /usr/sbin/policy-rc.d ] || dpkg-query --search /usr/sbin/policy-rc.d || rm /usr/sbin/policy-rc.d
            ;;
        # A link belongs to the service that it points to. The build machine wrote a plain file.
        resolv-conf) [ -L /etc/resolv.conf ] || : >/etc/resolv.conf ;;
        # Not below /var, where programs keep data under any name: a layer of a container has such files too.
        editor-backups)
            for directory in /etc /root /srv; do
                [ ! -d "$directory" ] || find "$directory" -xdev ! -type d \( -name '*~' -o -name '*.bak' \) -delete
            done
            ;;
        # On Alpine a link in it leads to /etc/crontabs, which belongs to a package.
        user-jobs) files_below /var/spool/cron /var/spool/at ;;
        # dhcpd does not start without its file.
        dhcp-server)
            for file in /var/lib/dhcpd/*.leases; do
                [ ! -f "$file" ] || : >"$file"
            done
            rm -f /var/lib/dhcpd/*~ /var/lib/misc/*.leases /var/lib/dnsmasq/*.leases
            files_below /var/lib/kea
            ;;
        login-records)
            rm -f /var/account/pacct?* /var/lib/wtmpdb/* /var/lib/lastlog/*
            # The service does not start without its file.
            [ ! -f /var/account/pacct ] || : >/var/account/pacct
            ;;
        sssd) files_below /var/lib/sss ;;
        samba) files_below /var/lib/samba ;;
        dovecot) files_below /var/lib/dovecot ;;
        puppet)
            files_below /var/lib/puppet /var/cache/puppet /etc/puppet/ssl /etc/puppetlabs/puppet/ssl /opt/puppetlabs/puppet/cache
            ;;
        # Settings and access control lists stay.
        kerberos-server)
            for directory in /var/kerberos/krb5kdc /var/lib/krb5kdc; do
                [ ! -d "$directory" ] || find -H "$directory" -xdev ! -type d ! -name kdc.conf ! -name kadm5.acl -delete
            done
            rm -f /etc/krb5kdc/stash /etc/krb5kdc/.k5.*
            ;;
        # Bundles and links belong to the package ca-certificates.
        tls-certificates)
            files_below /etc/pki/CA /etc/pki/tls/private /etc/ssl/private
            [ ! -d /etc/pki/tls/certs ] ||
                find -H /etc/pki/tls/certs -xdev -type f -name '*.crt' ! -name 'ca-bundle*' -delete
            ;;
        *)
            echo "unknown leftover: $what" >&2
            exit 1
            ;;
    esac
done

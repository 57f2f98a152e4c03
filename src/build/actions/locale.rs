//! Carries out `locale`: sets the default locale, generates it if necessary, and checks that the C library can use it.

use super::files::with_line;
use super::{ActionError, Executor};
use crate::distro::mechanism::Locale;

/// What `locale-gen` makes.
const WANTED: &str = "/etc/locale.gen";

/// Ends with 99 where the C library cannot use the locale `$1`. `locale` ends with 0 then, and complains: it is the one
/// program of an image that asks setlocale(3) and says so, whether the locale lies in the archive or in a directory.
const LOOK: &str = r#"command -v locale >/dev/null || { echo "the image has no program \`locale\`, which would tell" >&2; exit 99; }
said=$(LC_ALL=$1 locale charmap 2>&1 >/dev/null) || :
[ -z "$said" ] || { printf '%s\n' "$said" >&2; exit 99; }"#;

impl Executor<'_> {
    pub(super) fn locale(&mut self, locale: &str) -> Result<(), ActionError> {
        let label = format!("locale {locale}");
        if self.mechanisms.locale == Locale::None {
            let message = "the C library of this distribution has no locales: remove the action".to_owned();
            return Err(ActionError::Unfit { action: label, message });
        }
        let made = self.mechanisms.locale != Locale::LocaleConf;
        self.make_locale(&label, locale, made)?;
        let setting = format!("LANG={locale}\n");
        // The one may be a link to the other: it is followed.
        let file = if self.mechanisms.locale == Locale::LocaleGen { "/etc/default/locale" } else { "/etc/locale.conf" };
        self.rewrite(&label, file, setting.as_bytes())
    }

    fn make_locale(&mut self, label: &str, locale: &str, made: bool) -> Result<(), ActionError> {
        let (name, charset) = charset_of(locale);
        // Part of the C library itself: setlocale(3).
        if ["C", "POSIX"].contains(&locale) {
            return Ok(());
        }
        if name == "C" {
            // A file says what starting a program would: Debian's libc-bin and glibc since 2.35 bring it.
            for dir in ["C.utf8", "C.UTF-8"] {
                if charset == "UTF-8" && self.exists(label, &format!("/usr/lib/locale/{dir}/LC_CTYPE"))? {
                    return Ok(());
                }
            }
        }
        if !made || name == "C" {
            let hint =
                || "the image has no such locale: install the package that brings it, or mend the name".to_owned();
            return self.shell_seen(label, LOOK, &[locale.to_owned()], &hint);
        }
        if !self.exists(label, "/usr/sbin/locale-gen")? {
            let message = "needs the package `locales` in the image".to_owned();
            return Err(ActionError::Unfit { action: label.to_owned(), message });
        }
        let wanted = with_line(self.text(label, WANTED)?, &format!("{locale} {charset}"));
        self.rewrite(label, WANTED, wanted.as_bytes())?;
        let hint = || {
            "`locale-gen` ended with 0 and did not make it: /usr/share/i18n/SUPPORTED in the image lists what it can make"
                .to_owned()
        };
        self.shell_seen(label, &format!("locale-gen\n{LOOK}"), &[locale.to_owned()], &hint)
    }
}

/// Name and character set of a locale: `de_DE` and `UTF-8` of `de_DE.utf8@euro`.
fn charset_of(locale: &str) -> (&str, &str) {
    let plain = locale.split('@').next().unwrap_or(locale);
    match plain.split_once('.') {
        Some((name, charset)) if charset.eq_ignore_ascii_case("utf8") => (name, "UTF-8"),
        Some((name, charset)) => (name, charset),
        None => (plain, "UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_have_a_character_set() {
        for (locale, parts) in [
            ("en_US.UTF-8", ("en_US", "UTF-8")),
            ("en_US.utf8", ("en_US", "UTF-8")),
            ("ca_ES.UTF-8@valencia", ("ca_ES", "UTF-8")),
            ("de_DE.ISO-8859-15", ("de_DE", "ISO-8859-15")),
            ("C.utf8", ("C", "UTF-8")),
            ("eo", ("eo", "UTF-8")),
        ] {
            assert_eq!(charset_of(locale), parts);
        }
    }
}

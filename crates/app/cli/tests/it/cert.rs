//! `transom cert`: what is written, by whom, and what root does not let itself be led into.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::service::{Flavour, as_flavour, flavours, local_user};
use crate::tool::{self, Ran};

/// A state folder for one flavour, and the program where that flavour can run it.
struct Place {
    flavour: Flavour,
    folder: TempDir,
}

impl Place {
    fn new(flavour: Flavour) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-cert-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        tool::copy_of_transom(folder.path());
        if flavour == Flavour::Unprivileged && Uid::effective().is_root() {
            let user = local_user(flavour);
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        Self { flavour, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    fn cert(&self, words: &[&str]) -> Ran {
        let mut command = as_flavour(self.flavour, &self.path("transom"));
        command.arg("cert").args(words).arg("--state").arg(self.path("state"));
        tool::run(&mut command)
    }

    /// Makes a certificate and tells its thumbprint.
    #[track_caller]
    fn make(&self) -> String {
        let made = self.cert(&["new-server", "--name", "h"]).ended(0);
        made.stdout.split_whitespace().nth(1).unwrap().to_owned()
    }

    fn certificates(&self) -> PathBuf {
        self.path("state").join("service/certificates")
    }

    /// Lets openssl make files in this place.
    #[track_caller]
    fn openssl(&self, line: &str) {
        let mut command = tool::program("openssl");
        command.args(line.split(' ')).current_dir(self.folder.path()).env("PW", "secret word");
        tool::run(&mut command).ended(0);
    }

    fn open_to_all(&self, names: &[&str]) {
        for name in names {
            fs::set_permissions(self.path(name), Permissions::from_mode(0o644)).unwrap();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn certificate_lives_from_new_server_to_remove() {
    for flavour in flavours() {
        let place = Place::new(flavour);
        let names = ["--name", "server01", "--name", "10.0.0.7", "--days", "30"];
        let made = place.cert(&[["new-server"].as_slice(), &names].concat()).ended(0);
        let thumbprint = made.stdout.split_whitespace().nth(1).unwrap();
        assert!(made.stdout.contains(&format!("--certificate {thumbprint}")), "{made:?}");
        let shown = place.cert(&["show"]).ended(0).stdout;
        assert!(made.stdout.starts_with(&shown), "{shown}");
        assert!(shown.contains("Names        server01, 10.0.0.7\n"), "{shown}");
        assert_eq!(place.cert(&["show", &thumbprint.to_lowercase()]).ended(0).stdout, shown);
        let exported = place.cert(&["export", thumbprint]).ended(0).stdout;
        assert!(exported.starts_with("-----BEGIN CERTIFICATE-----\n"), "{exported}");
        assert!(!exported.contains("PRIVATE"), "{exported}");
        let whole = place.cert(&["export", thumbprint, "--with-key"]).ended(0).stdout;
        assert!(whole.contains("-----BEGIN PRIVATE KEY-----"), "{flavour:?}");
        place.cert(&["remove", thumbprint]).ended(0);
        assert_eq!(place.cert(&["show"]).ended(0).stdout, "no certificates\n");
        let gone = place.cert(&["remove", thumbprint]).ended(1);
        assert!(gone.stderr.contains(thumbprint), "{gone:?}");
    }
}

#[test]
fn files_belong_to_the_service_user_and_to_nobody_else() {
    for flavour in flavours() {
        let place = Place::new(flavour);
        let thumbprint = place.make();
        let service = fs::metadata(place.path("state").join("service")).unwrap();
        assert_ne!(service.uid(), 0, "{flavour:?}");
        for name in ["", &format!("{thumbprint}.pem"), &format!("{thumbprint}.key")] {
            let data = fs::metadata(place.certificates().join(name)).unwrap();
            assert_eq!((data.uid(), data.gid()), (service.uid(), service.gid()), "{name}");
            assert_eq!(data.mode() & 0o077, 0, "{name}");
        }
    }
}

#[test]
fn links_of_the_service_user_lead_root_nowhere() {
    if !Uid::effective().is_root() {
        testkit::report("SKIPPED cert::links_of_the_service_user_lead_root_nowhere: needs root");
        return;
    }
    let place = Place::new(Flavour::Root);
    let thumbprint = place.make();
    let key = fs::read(place.certificates().join(format!("{thumbprint}.key"))).unwrap();
    let secret = place.path("secret");
    fs::write(&secret, "root's own").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    // A folder of root's in the place of the certificates.
    let target = place.path("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join(format!("{thumbprint}.pem")), "x").unwrap();
    fs::rename(place.certificates(), place.path("away")).unwrap();
    symlink(&target, place.certificates()).unwrap();
    for words in [vec!["new-server", "--name", "h"], vec!["remove", &thumbprint], vec!["show"]] {
        place.cert(&words).ended(1);
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    // A file of root's in the place of a key or of a certificate.
    fs::remove_file(place.certificates()).unwrap();
    fs::rename(place.path("away"), place.certificates()).unwrap();
    for (kind, words) in
        [("pem", vec!["export", &thumbprint]), ("key", vec!["export", &thumbprint, "--with-key"])]
    {
        let file = place.certificates().join(format!("{thumbprint}.{kind}"));
        let kept = fs::read(&file).unwrap();
        for link in [true, false] {
            fs::remove_file(&file).unwrap();
            if link {
                symlink(&secret, &file).unwrap()
            } else {
                fs::hard_link(&secret, &file).unwrap()
            }
            let ran = place.cert(&words).ended(1);
            assert!(!ran.stdout.contains("root's own") && !ran.stderr.contains("root's own"));
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, &kept).unwrap();
        let owner = fs::metadata(place.certificates()).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    assert_eq!(fs::read(&secret).unwrap(), b"root's own");
    assert_eq!(fs::read(place.certificates().join(format!("{thumbprint}.key"))).unwrap(), key);
    place.cert(&["export", &thumbprint, "--with-key"]).ended(0);
}

#[test]
fn pem_and_pfx_are_imported() {
    for flavour in flavours() {
        let place = Place::new(flavour);
        place.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=imported -addext subjectAltName=DNS:imported -keyout key.pem -out cert.pem");
        place.openssl("pkcs8 -topk8 -in key.pem -passout env:PW -out sealed.pem");
        place.openssl("pkcs12 -export -in cert.pem -inkey key.pem -passout env:PW -out new.pfx");
        place.openssl(
            "pkcs12 -export -legacy -in cert.pem -inkey key.pem -passout env:PW -out old.pfx",
        );
        fs::write(place.path("password"), "secret word\n").unwrap();
        place.open_to_all(&["key.pem", "sealed.pem", "new.pfx", "old.pfx", "password"]);
        let [cert, key, sealed, new, old, password] =
            ["cert.pem", "key.pem", "sealed.pem", "new.pfx", "old.pfx", "password"]
                .map(|name| place.path(name));
        let password = ["--password-file", text(&password)];
        for words in [
            vec![text(&cert), "--key", text(&key)],
            [vec![text(&cert), "--key", text(&sealed)], password.to_vec()].concat(),
            [vec![text(&new)], password.to_vec()].concat(),
            [vec![text(&old)], password.to_vec()].concat(),
        ] {
            let made = place.cert(&[vec!["import"], words].concat()).ended(0);
            let thumbprint = made.stdout.split_whitespace().nth(1).unwrap();
            assert!(made.stdout.contains("Names        imported\n"), "{made:?}");
            place.cert(&["remove", thumbprint]).ended(0);
        }
        for (words, said) in [
            (vec![text(&cert)], "--key FILE"),
            (vec![text(&cert), "--key", text(&sealed)], "--password-file"),
            (vec![text(&new)], "--password-file"),
            (vec!["/nonexistent"], "/nonexistent"),
        ] {
            let ran = place.cert(&[vec!["import"], words].concat()).ended(1);
            assert!(ran.stderr.contains(said), "{ran:?}");
        }
        assert_eq!(place.cert(&["show"]).ended(0).stdout, "no certificates\n");
    }
}

#[test]
fn export_overwrites_nothing() {
    let place = Place::new(flavours()[0]);
    let thumbprint = place.make();
    let out = place.path("out.pem");
    place.cert(&["export", &thumbprint, "--out", text(&out)]).ended(0);
    assert!(fs::read_to_string(&out).unwrap().starts_with("-----BEGIN CERTIFICATE"));
    place.cert(&["export", &thumbprint, "--out", text(&out)]).ended(1);
    let whole = place.path("whole.pem");
    place.cert(&["export", &thumbprint, "--with-key", "--out", text(&whole)]).ended(0);
    assert_eq!(fs::metadata(&whole).unwrap().mode() & 0o077, 0);
}

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    let place = Place::new(flavours()[0]);
    for (words, code, said) in [
        (vec!["new-server", "--name", "a b"], 1, "`a b`"),
        (vec!["new-server", "--name", "h", "--days", "0"], 1, "0 days"),
        (vec!["show", "xyz"], 2, "xyz"),
        (vec!["show"], 1, "state"),
        (vec!["remove", &"00".repeat(20)], 1, "state"),
    ] {
        let ran = place.cert(&words).ended(code);
        assert!(ran.stderr.contains(said), "{ran:?}");
        assert!(!place.path("state").exists(), "{words:?} made the state folder");
    }
}

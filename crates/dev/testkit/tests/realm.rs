//! The realm that other tests stand on.

use testkit::Realm;

#[test]
fn tickets_can_be_bought() {
    let Some(realm) = Realm::inside("tickets_can_be_bought", "", |realm| {
        realm.add_user("alice", "secret", "");
        realm.add_service("HTTP/localhost");
        realm.write_keytab(&realm.folder().join("keytab"), &["HTTP/localhost"]);
    }) else {
        return;
    };
    let cache = format!("FILE:{}", realm.folder().join("cache").display());
    realm.kinit("alice", "secret", &cache, &["-f"]);
    let listed = realm.command("klist").args(["-f", "-c", &cache]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("alice@TRANSOM.TEST") && listed.contains("Flags: F"), "{listed}");
}

//! What released clients sent, replayed with our ids put in: the same commands must come to the
//! same output and exit codes as they did for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wsman::ns::action;
use wsman::shell::{CommandResponse, CreateResponse, ReceiveResponse};
use wsman::{ErrorCode, Fault, HeaderValue};

use crate::support::{Service, Session, envelope_of};

/// What a command wrote and returned.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit_code: Option<u32>,
}

impl Outcome {
    fn add(&mut self, response: ReceiveResponse) {
        for stream in response.streams {
            match stream.name.as_str() {
                "stdout" => self.stdout.extend(stream.data),
                _ => self.stderr.extend(stream.data),
            }
        }
        if let Some(state) = response.state {
            self.exit_code = self.exit_code.or(state.exit_code);
        }
    }
}

/// One conversation: the messages to a command shell, and what was answered.
struct Conversation {
    session: Session,
    /// Recorded ids and ours.
    ids: Vec<(String, String)>,
    /// What the recorded commands came to, by their recorded ids.
    recorded: BTreeMap<String, Outcome>,
    /// The last Receive of the command that is under way.
    receive: Option<(String, String)>,
    compared: usize,
}

impl Conversation {
    fn put_ids_in(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    async fn ask(&mut self, text: &str) -> Result<wsman::Envelope, Fault> {
        let mut text = self.put_ids_in(text);
        // Each message is a new one: the recorded id may stand in several.
        if let Some(id) = envelope_of(text.as_bytes()).header.message_id() {
            let fresh = self.session.fresh_id();
            text = text.replace(id, &fresh);
        }
        let (status, reply) = self.session.ask_bytes(text.as_bytes()).await;
        let reply = envelope_of(&reply);
        match Fault::from_envelope(&reply).unwrap() {
            Some(fault) => Err(fault),
            None => {
                assert_eq!(status, 200);
                Ok(reply)
            }
        }
    }

    async fn replay(&mut self, request: &str, response: Option<&str>) {
        let envelope = envelope_of(request.as_bytes());
        let recorded = response.map(|text| envelope_of(text.as_bytes()));
        let recorded = recorded.filter(|reply| Fault::from_envelope(reply).unwrap().is_none());
        let name = envelope.action().unwrap().to_owned();
        if name == action::RECEIVE {
            let id = wsman::shell::Receive::from_body(&envelope.body).unwrap();
            let id = id.command_id().unwrap().to_owned();
            if let Some(reply) = recorded {
                let response = ReceiveResponse::from_body(&reply.body).unwrap();
                self.recorded.entry(id.clone()).or_default().add(response);
            }
            self.receive = Some((id, request.to_owned()));
            return;
        }
        if name == action::SIGNAL || name == action::DELETE {
            self.finish().await;
        }
        let reply = self.ask(request).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let Some(recorded) = recorded else { return };
        let pair = match name.as_str() {
            action::CREATE => {
                let id = |reply: &wsman::Envelope| {
                    let created = CreateResponse::from_body(&reply.body).unwrap();
                    created.shell_id().unwrap().to_owned()
                };
                (id(&recorded), id(&reply))
            }
            action::COMMAND => {
                let id = |reply: &wsman::Envelope| {
                    CommandResponse::from_body(&reply.body).unwrap().command_id
                };
                (id(&recorded), id(&reply))
            }
            _ => return,
        };
        self.ids.push(pair);
    }

    /// Receives what the command that is under way has, to its end where it was recorded.
    async fn finish(&mut self) {
        let Some((id, receive)) = self.receive.take() else { return };
        let expected = self.recorded.remove(&id).unwrap_or_default();
        let mut outcome = Outcome::default();
        while expected.exit_code.is_some() && outcome.exit_code.is_none() {
            match self.ask(&receive).await {
                Ok(reply) => outcome.add(ReceiveResponse::from_body(&reply.body).unwrap()),
                Err(fault) => {
                    assert_eq!(fault.error_code(), Some(ErrorCode::OPERATION_TIMEDOUT), "{fault}");
                }
            }
        }
        assert_eq!(outcome, expected);
        self.compared += 1;
    }
}

/// The messages of a folder that go to a command shell, with their answers.
fn messages(folder: &Path) -> Vec<(String, Option<String>)> {
    let mut bodies: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".body.xml"))
        .collect();
    bodies.sort();
    let mut found = Vec::new();
    for path in bodies {
        let request = fs::read_to_string(&path).unwrap();
        let uri =
            envelope_of(request.as_bytes()).header.blocks.into_iter().find_map(|block| match block
                .value
            {
                HeaderValue::ResourceUri(uri) => Some(uri),
                _ => None,
            });
        if uri.as_deref() == Some(wsman::ns::resource::CMD) {
            let response = path.to_string_lossy().replace(".body.xml", ".resp.xml");
            found.push((request, fs::read_to_string(response).ok()));
        }
    }
    found
}

async fn replay(service: &Service, folder: PathBuf) -> usize {
    let session = Session::login(service.address, "alice").await;
    let mut conversation = Conversation {
        session,
        ids: Vec::new(),
        recorded: BTreeMap::new(),
        receive: None,
        compared: 0,
    };
    for (request, response) in messages(&folder) {
        conversation.replay(&request, response.as_deref()).await;
    }
    conversation.compared
}

#[tokio::test]
async fn recorded_clients_get_the_same_output_and_exit_codes_again() {
    let test = "recorded_clients_get_the_same_output_and_exit_codes_again";
    let Some(corpora) = testkit::corpora(test) else { return };
    let service = Service::start().await;
    let replays = ["pypsrp-basic", "pypsrp-negotiate", "pywinrm-basic", "pywinrm-ntlm"]
        .map(|name| replay(&service, corpora.join("requests").join(name)));
    // Side by side: each waits for its commands most of the time.
    let [one, two, three, four] = replays;
    let (one, two, three, four) = tokio::join!(one, two, three, four);
    assert!(one > 0 && two > 0 && three > 0 && four > 0, "{one} {two} {three} {four}");
}

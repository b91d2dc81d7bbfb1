//! The server answers real clients over TCP.

use std::io::{Read, Write};
use std::net::TcpStream;

use model::Kinds;

use super::*;

struct Instance {
    server: Server,
    health: Arc<Health>,
    agent: ureq::Agent,
}

impl Instance {
    fn start(more: Router) -> Self {
        let health = Arc::new(Health::new(Instant::now()));
        let (_metrics, exporter) = crate::metrics::new(&Kinds::builtin());
        let router = router(Arc::clone(&health), exporter, more);
        let server = Server::start(([127, 0, 0, 1], 0).into(), router).unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            server,
            health,
            agent,
        }
    }

    /// Status, content type and body.
    fn get(&self, path: &str) -> (u16, String, String) {
        let url = format!("http://{}{path}", self.server.address());
        let mut response = self.agent.get(url).call().unwrap();
        let content_type = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), content_type, body)
    }
}

#[test]
fn the_probes_say_how_the_loop_is() {
    let instance = Instance::start(Router::new());
    assert_eq!(instance.get("/healthz").0, 200);
    let (status, _, body) = instance.get("/readyz");
    assert_eq!(
        (status, body.as_str()),
        (
            503,
            "the view is being read from the topics: how many records are left is not known yet\n"
        )
    );
    instance.health.set_ready(true, true);
    assert_eq!(instance.get("/readyz").0, 200);
    instance.server.stop();
}

#[test]
fn metrics_are_served_as_prometheus_wants_them() {
    let instance = Instance::start(Router::new());
    let (status, content_type, body) = instance.get("/metrics");
    assert_eq!(
        (status, content_type.as_str()),
        (200, Exporter::CONTENT_TYPE)
    );
    assert!(body.contains("# TYPE appmi_events_total counter"));
    instance.server.stop();
}

#[test]
fn what_is_not_there_is_a_problem_in_json() {
    let more = Router::new().route("/v1/months", get(async || "[]"));
    let instance = Instance::start(more);
    assert_eq!(instance.get("/v1/months").0, 200);
    let (status, content_type, body) = instance.get("/v2");
    assert_eq!(
        (status, content_type.as_str()),
        (404, "application/problem+json")
    );
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], 404);
    assert_eq!(body["title"], "Not Found");

    let url = format!("http://{}/metrics", instance.server.address());
    let posted = instance.agent.post(url).send_empty().unwrap();
    assert_eq!(posted.status().as_u16(), 405);
    instance.server.stop();
}

#[test]
fn an_address_that_is_taken_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = Server::start(listen, Router::new()).unwrap_err();
    assert!(error.to_string().contains(&listen.to_string()));
    assert!(error.to_string().contains("http.listen"));
}

#[test]
fn stopping_waits_for_no_idle_client() {
    let instance = Instance::start(Router::new());
    let mut client = TcpStream::connect(instance.server.address()).unwrap();
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let began = Instant::now();
    instance.server.stop();
    assert!(began.elapsed() < STOP_GRACE, "the connection was idle");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
}

//! The path that tells a platform whether requests are taken: no process is started for it.

use wsgi_cgi_gateway::host::{Reply, Request, Trouble};

use crate::http::{Fields, Refusal};

/// 200 as long as requests are taken, 503 from the signal on that ends the listener.
pub fn answer(request: &Request<'_>, reply: &mut Reply) -> Result<(), Trouble> {
    if !matches!(request.head.method.as_str(), "GET" | "HEAD") {
        let mut fields = Fields::default();
        fields.push("Allow", "GET, HEAD");
        let refusal = Refusal::new(405, "This address only tells whether requests are taken.");
        return Err(Trouble::Refused(refusal, fields));
    }
    let (status, text) = match request.is_stopping {
        false => (200, "OK\n"),
        true => (503, "stopping\n"),
    };
    let mut fields = Fields::default();
    fields.push("Content-Type", "text/plain; charset=utf-8");
    fields.push("Cache-Control", "no-store");
    Ok(reply.page(status, &fields, text.as_bytes())?)
}

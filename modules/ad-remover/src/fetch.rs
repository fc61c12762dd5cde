//! Fetches what changed at a URL, on a thread of its own.
//!
//! Invariant: what is given back is whole, as far as that can be known. A body that is shorter than announced or grows too large is an
//! error, and so is every status but 200 and 304; then the copy there is stays in use. Awkward case: a body without an announced length,
//! whose early end the client does not tell from a good one. It must end with a line at least.

use crate::place::{MOST, Validators};
use awc::error::{PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use awc::{Client, ClientResponse, Connector};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::Bytes;

/// A whole exchange may last so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The trust that https needs: the roots of browsers, and those of a file.
///
/// # Errors
/// When the file has no certificate.
pub(crate) fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    if let Some(path) = ca {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let found = CertificateDer::pem_file_iter(path).map_err(|why| wrong(why.to_string()))?;
        let found: Result<Vec<_>, _> = found.collect();
        let found = found.map_err(|why| wrong(why.to_string()))?;
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// The bytes at the URL and their validators; `None` when they are those that `known` is of.
///
/// # Errors
/// A sentence that says what went wrong.
pub(crate) fn changed(
    url: &str,
    known: &Validators,
    tls: Arc<ClientConfig>,
) -> Result<Option<(Validators, Bytes)>, String> {
    actix_rt::System::new().block_on(async {
        let connector = Connector::new().rustls_0_23(tls);
        let client = Client::builder()
            .connector(connector)
            .timeout(PATIENCE)
            .finish();
        let mut request = client.get(url);
        for (name, value) in [
            (IF_NONE_MATCH, &known.etag),
            (IF_MODIFIED_SINCE, &known.modified),
        ] {
            if !value.is_empty() {
                request = request.insert_header((name, value.as_str()));
            }
        }
        let response = request.send().await.map_err(|why| match why {
            SendRequestError::Connect(why) => why.to_string(),
            why => why.to_string(),
        })?;
        let mut response = response.timeout(PATIENCE);
        match response.status() {
            StatusCode::NOT_MODIFIED => return Ok(None),
            StatusCode::OK => {}
            other => return Err(format!("it answered {other}")),
        }
        let validators = Validators {
            etag: field(&response, ETAG),
            modified: field(&response, LAST_MODIFIED),
        };
        let announced: Option<usize> = field(&response, CONTENT_LENGTH).parse().ok();
        // None was asked for.
        if !field(&response, CONTENT_ENCODING).is_empty() {
            return Err("it came with a Content-Encoding".to_owned());
        }
        let body = response.body().limit(MOST as usize).await;
        let body = body.map_err(|why| match why {
            PayloadError::Overflow => format!("it is larger than {MOST} bytes"),
            why => why.to_string(),
        })?;
        let is_whole = announced.map_or(body.ends_with(b"\n"), |length| length == body.len());
        if !is_whole {
            return Err(format!("it ended early, at byte {}", body.len()));
        }
        Ok(Some((validators, body)))
    })
}

fn field<S>(response: &ClientResponse<S>, name: HeaderName) -> String {
    let value = response.headers().get(name);
    let text = value.and_then(|value| value.to_str().ok());
    // A tab would end it in the copy's first line; no validator has one.
    text.filter(|text| !text.contains('\t'))
        .unwrap_or_default()
        .to_owned()
}

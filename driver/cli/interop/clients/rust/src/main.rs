//! Fetches one URL through a proxy with reqwest or ureq and writes the body to
//! standard output: `clients LIBRARY PROXY CA URL`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, proxy, ca, url] = args.as_slice() else {
        return Err("usage: clients LIBRARY PROXY CA URL".into());
    };
    let pem = std::fs::read(ca)?;
    let body = match library.as_str() {
        "reqwest" => with_reqwest(proxy, &pem, url)?,
        "ureq" => with_ureq(proxy, &pem, url)?,
        other => return Err(format!("library: got {other}, want reqwest or ureq").into()),
    };
    std::io::stdout().write_all(&body)?;
    Ok(())
}

fn with_reqwest(proxy: &str, pem: &[u8], url: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let client = reqwest::blocking::Client::builder()
        .proxy(reqwest::Proxy::all(proxy)?)
        .add_root_certificate(reqwest::Certificate::from_pem(pem)?)
        .build()?;
    Ok(client.get(url).send()?.error_for_status()?.bytes()?.to_vec())
}

fn with_ureq(proxy: &str, pem: &[u8], url: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let roots = ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(c)) => Some(c),
            _ => None,
        })
        .collect::<Vec<_>>();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&roots))
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .proxy(Some(ureq::Proxy::new(proxy)?))
        .tls_config(tls)
        .build()
        .into();
    Ok(agent.get(url).call()?.body_mut().with_config().limit(u64::MAX).read_to_vec()?)
}

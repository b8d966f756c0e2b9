//! The recorded messages.

use common::wire::mobile_ip::auth::{Algorithm, Association, Key};
use serde_json::Value;

pub fn file() -> Value {
    serde_json::from_str(include_str!("../data/mobile_ip_messages.json")).unwrap()
}

pub fn messages() -> Vec<Value> {
    file()["messages"].as_array().unwrap().clone()
}

pub fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub fn payload(record: &Value) -> Vec<u8> {
    bytes(&record["payload_hex"])
}

pub fn find(id: &str) -> Vec<u8> {
    payload(messages().iter().find(|record| record["id"] == id).unwrap())
}

pub fn association(key: &Value) -> Association {
    let spi = key["spi"].as_str().unwrap().strip_prefix("0x").unwrap();
    let algorithm = match key["alg"].as_str().unwrap() {
        "md5 prefix-suffix" => Algorithm::Md5PrefixSuffix,
        _ => Algorithm::HmacMd5,
    };
    let key = match key.get("key_hex") {
        Some(hex) => Key::from_hex(hex.as_str().unwrap()).unwrap(),
        None => Key::from_ascii(key["key_ascii"].as_str().unwrap()).unwrap(),
    };
    Association { spi: u32::from_str_radix(spi, 16).unwrap(), algorithm, key }
}

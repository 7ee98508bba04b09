//! stub
use crate::http;
use std::ffi::OsStr;
use std::path::Path;
pub struct Mount;
impl Mount {
    pub fn parse(_t: &OsStr, _h: &Path) -> Result<Self, String> {
        Err("stub".into())
    }
    pub fn matches<'p>(&self, _p: &'p [u8]) -> Option<&'p [u8]> {
        None
    }
}
pub struct Answer {
    pub status: u16,
    pub fields: http::Fields,
    pub body: Body,
}
pub enum Body {
    None,
    File {
        file: std::fs::File,
        offset: u64,
        length: u64,
    },
}
pub fn answer(_m: &Mount, _r: &[u8], _me: &str, _q: &http::Fields) -> Answer {
    Answer {
        status: 404,
        fields: Default::default(),
        body: Body::None,
    }
}

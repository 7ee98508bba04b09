//! What Lambda says of a call and of the function, as an application gets it.

use std::env;

use serde_json::{Value, json};

use super::runtime_api::Next;

/// The variable that traces read.
pub const TRACE_ID: &str = "_X_AMZN_TRACE_ID";

/// The fields of Python's `LambdaContext`, in JSON.
pub fn json(next: Option<&Next>) -> Vec<u8> {
    let variable = |name: &str| env::var(name).ok();
    let field = |name: &str| {
        let value = next?.fields.get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    // Somebody else's JSON: what is none is not passed on.
    let object = |name: &str| -> Option<Value> {
        let value: Value = serde_json::from_str(&field(name)?).ok()?;
        value.is_object().then_some(value)
    };
    json!({
        "aws_request_id": next.map_or("local", |next| &next.id),
        "invoked_function_arn": field("Lambda-Runtime-Invoked-Function-Arn"),
        "tenant_id": field("Lambda-Runtime-Aws-Tenant-Id"),
        "identity": object("Lambda-Runtime-Cognito-Identity"),
        "client_context": object("Lambda-Runtime-Client-Context"),
        "function_name": variable("AWS_LAMBDA_FUNCTION_NAME"),
        "function_version": variable("AWS_LAMBDA_FUNCTION_VERSION"),
        "memory_limit_in_mb": variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        "log_group_name": variable("AWS_LAMBDA_LOG_GROUP_NAME"),
        "log_stream_name": variable("AWS_LAMBDA_LOG_STREAM_NAME"),
        "deadline_ms": next.and_then(|next| next.deadline),
    })
    .to_string()
    .into_bytes()
}

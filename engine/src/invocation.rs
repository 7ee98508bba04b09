//! A platform's event and context in the environ, under the names that other adapters use: applications which
//! move find them.

use contract::handover::Invocation;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule, PyString};

/// As Lambda's own Python gives them: a dict, and an object with attributes.
const MODULE: &std::ffi::CStr = c"
import json, time
from types import SimpleNamespace

class LambdaContext:
    \"\"\"What AWS Lambda says of the function and of this call of it.\"\"\"

    def __init__(self, text):
        self._text = text

    def __getattr__(self, name):
        # Most applications never ask.
        text = self.__dict__.pop('_text', None)
        if text is None:
            raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')
        self.__dict__.update(fields(text))
        return getattr(self, name)

    def get_remaining_time_in_millis(self):
        if self._deadline_ms is None:
            return 0
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def __repr__(self):
        self.aws_request_id
        shown = (f'{name}={value!r}' for name, value in self.__dict__.items() if name[0] != '_')
        return 'LambdaContext(' + ', '.join(shown) + ')'

def fields(text):
    fields = json.loads(text)
    fields['_deadline_ms'] = fields.pop('deadline_ms', None)
    identity = fields.get('identity') or {}
    fields['identity'] = SimpleNamespace(
        cognito_identity_id=identity.get('cognitoIdentityId'),
        cognito_identity_pool_id=identity.get('cognitoIdentityPoolId'))
    client = fields.get('client_context')
    if client is not None:
        fields['client_context'] = SimpleNamespace(
            client=SimpleNamespace(**(client.get('client') or {})),
            custom=client.get('custom'), env=client.get('env'))
    return fields

def names(event, context):
    event, context = json.loads(event), LambdaContext(context)
    told = {'apig_wsgi.full_event': event, 'apig_wsgi.context': context,
            'serverless.event': event, 'serverless.context': context,
            'awsgi.event': event, 'awsgi.context': context,
            'apig_wsgi.multi_value_headers': 'multiValueHeaders' in event,
            'serverless.authorizer': None}
    request = event.get('requestContext')
    if isinstance(request, dict):
        told['apig_wsgi.request_context'] = request
        told['serverless.authorizer'] = request.get('authorizer')
    return told
";

static LOADED: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// Loads what is needed, so that the first request finds it.
pub fn prepare(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    let load = || {
        let file = c"_wsgi_cgi_invocation.py";
        let module = PyModule::from_code(py, MODULE, file, c"_wsgi_cgi_invocation")?;
        Ok(module.unbind())
    };
    LOADED
        .get_or_try_init(py, load)
        .map(|module| module.bind(py))
}

/// Adds event and context to the environ.
pub fn add(py: Python<'_>, environ: &Bound<'_, PyDict>, invocation: &Invocation) -> PyResult<()> {
    // JSON is UTF-8 (RFC 8259 section 8.1).
    let event = PyString::from_bytes(py, &invocation.event)?;
    let context = PyString::from_bytes(py, &invocation.context)?;
    let told = prepare(py)?.getattr("names")?.call1((event, context))?;
    environ.update(told.cast::<PyDict>()?.as_mapping())
}

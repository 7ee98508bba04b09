//! The tools: what is never run while serving.

mod through;
mod through_token;
mod through_unanswered;

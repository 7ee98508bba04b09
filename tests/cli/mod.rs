//! How the program is called: APP, options and where they may stand, errors before Python starts.

mod application;
mod children;
mod errors;
mod manners;
mod settings;

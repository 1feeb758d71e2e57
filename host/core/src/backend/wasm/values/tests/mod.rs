mod examples;
mod hostile;
mod properties;
mod support;
mod validator;

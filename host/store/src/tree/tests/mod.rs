mod build;
mod capture;
mod diff;
mod graft;
mod model;
mod patch;
mod recapture;
mod support;

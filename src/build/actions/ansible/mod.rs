//! Runs playbooks of Ansible. `ansible-playbook` runs on the host, in a scratch directory with a copy of the playbook's files; its
//! tasks run in the guest, through a connection plugin that speaks with this process over a socket. Nothing of it stays in the image.

mod play;
mod project;

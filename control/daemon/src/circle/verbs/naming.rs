//! Names that are refused because they mean something on this machine already.

use ringmesh_api::circle::{Code, Refusal};
use ringmesh_mesh::name::Label;

use crate::circle::active::zone;
use crate::circle::run::Daemon;
use crate::names::shadow::{self, Machine, Shadows};

impl Daemon {
    /// Refuses a name of a device that would hide a real host; `ourselves` if it is to be this device's own.
    pub(super) async fn check_name(&self, name: &Label, ourselves: bool) -> Result<(), Refusal> {
        let zone = self.active.as_ref().and_then(|active| zone(&active.membership));
        let hidden = shadow::device(name, zone.as_ref(), &self.machine(), ourselves).await;
        hidden.map_err(|shadows| refuse(name, &shadows, "choose another name for the device"))
    }

    /// Refuses a name of a circle that reads like something else.
    pub(super) fn check_circle_name(name: &Label) -> Result<(), Refusal> {
        let fix = "choose another name for the circle, for example `ringmesh up --circle home`";
        shadow::circle(name).map_err(|shadows| refuse(name, &shadows, fix))
    }

    fn machine(&self) -> Machine {
        let own = self.interfaces.iter().flat_map(|interface| interface.addresses.iter().copied()).collect();
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Machine { own, hostname }
    }
}

fn refuse(name: &Label, shadows: &Shadows, fix: &str) -> Refusal {
    Refusal::new(Code::Exists, format!("`{name}` cannot be used: {shadows}")).fix(fix)
}

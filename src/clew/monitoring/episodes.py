"""Episodes of drift: one finding for as long as a column stays away from the training data, not one for each look.

An episode begins with the first alarm of a column and is over when the column has been quiet for `QUIET_WINDOWS`
windows in a row. Which windows are alarmed is decided elsewhere (`clew.monitoring.drift`), and nothing here changes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec

__all__ = ["QUIET_WINDOWS", "Episode", "EpisodeState", "go_on"]

QUIET_WINDOWS = 7
"""So many windows in a row without an alarm end an episode: daily windows hold a whole week then."""


class EpisodeState(StrEnum):
    """Where an episode is: begun in this window, alarmed again in it, quiet in it but not for long enough, or over."""

    RAISED = "raised"
    ONGOING = "ongoing"
    FADING = "fading"
    RESOLVED = "resolved"


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """A drift of one column, as of one window.

    `since_us` is the start of the window of its first alarm, `alarms` in how many windows there was one since, `quiet`
    how many windows in a row there has been none now.
    """

    since_us: int
    alarms: int = 1
    quiet: int = 0

    @property
    def state(self) -> EpisodeState:
        """Where it is."""
        if self.quiet:
            return EpisodeState.FADING if self.quiet < QUIET_WINDOWS else EpisodeState.RESOLVED
        return EpisodeState.RAISED if self.alarms == 1 else EpisodeState.ONGOING


def go_on(before: Mapping[str, Episode], alarmed: Collection[str], start_us: int) -> dict[str, Episode]:
    """The episodes after one more window, by column; those that are over with it are among them for the last time.

    Args:
        before: those after the window before.
        alarmed: the columns that are alarmed in this window.
        start_us: when it began.
    """
    found = {column: Episode(since_us=start_us) for column in alarmed}
    for column, episode in before.items():
        if episode.state is EpisodeState.RESOLVED:
            continue
        if column in found:
            found[column] = msgspec.structs.replace(episode, alarms=episode.alarms + 1, quiet=0)
        else:
            found[column] = msgspec.structs.replace(episode, quiet=episode.quiet + 1)
    return found

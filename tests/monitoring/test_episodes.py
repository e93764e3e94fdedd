"""Episodes of drift, window by window, against a plain reading of the same alarms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.monitoring.episodes import QUIET_WINDOWS, Episode, EpisodeState, go_on

DAY = 86_400


def played(alarms: list[bool]) -> list[Episode | None]:
    """The episode of one column after each window."""
    found, episodes = [], dict[str, Episode]()
    for day, alarm in enumerate(alarms):
        episodes = go_on(episodes, ["wind"] if alarm else [], day * DAY)
        found.append(episodes.get("wind"))
    return found


@given(st.lists(st.booleans(), max_size=60))
def test_an_episode_is_a_stretch_of_alarms_without_a_quiet_week(alarms: list[bool]) -> None:
    for day, episode in enumerate(played(alarms)):
        last = max((at for at in range(day + 1) if alarms[at]), default=None)
        if last is None or day - last > QUIET_WINDOWS:
            assert episode is None
            continue
        first = last
        while earlier := [at for at in range(max(0, first - QUIET_WINDOWS), first) if alarms[at]]:
            first = min(earlier)
        assert episode == Episode(since_us=first * DAY, alarms=sum(alarms[first : last + 1]), quiet=day - last)


def test_the_states_in_their_order() -> None:
    states = [episode.state for episode in played([True, True] + [False] * QUIET_WINDOWS) if episode is not None]
    fading = [EpisodeState.FADING] * (QUIET_WINDOWS - 1)
    assert states == [EpisodeState.RAISED, EpisodeState.ONGOING, *fading, EpisodeState.RESOLVED]


def test_columns_have_episodes_of_their_own() -> None:
    first = go_on({}, ["wind", "hour"], 0)
    second = go_on(first, ["hour"], DAY)
    assert (second["wind"].state, second["hour"].state) == (EpisodeState.FADING, EpisodeState.ONGOING)

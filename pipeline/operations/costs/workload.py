"""What users do in a month, and what the pipeline is then asked to do. Pure arithmetic, every figure named."""

from dataclasses import dataclass

DAYS = 30.0
SECONDS = DAYS * 86_400
VECTOR_BYTES = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """What an average user does, and what the pipeline makes of it.

    Args:
        exchanges_a_day: question and answer; an average over all users, most of whom are not there every day.
        saves_per_exchange: puts of the session; the chat app puts the whole item.
        exchange_tokens: of question and answer.
        growth: tokens embedded for one that stays: 1.00 measured with one save an exchange, 1.13 with one a message.
        chunks_per_exchange: rows that stay.
        session_kilobytes: of the item that ingest reads each time, on average.
        questions_a_day: that embed and search.
        months: of memory that is kept.
        notices_per_save: less than 1 where saves of one item arrive together.
        batch: notices an invocation of ingest, at low rates 1.
        peak: busiest moment, as a multiple of the average.
        standby_replicas: of an OpenSearch Classic collection; template.yaml makes none.
    """

    users: float = 10_000
    exchanges_a_day: float = 2.0
    saves_per_exchange: float = 1.0
    exchange_tokens: float = 220.0
    growth: float = 1.0
    chunks_per_exchange: float = 1.1
    session_kilobytes: float = 16.0
    questions_a_day: float = 2.0
    question_tokens: float = 20.0
    months: float = 6.0
    notices_per_save: float = 1.0
    batch: float = 1.0
    dimensions: int = 1536
    peak: float = 5.0
    standby_replicas: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What a month of a workload asks for; rows and gigabytes are those held at its end."""

    saves: float
    notices: float
    stream_invocations: float
    ingest_invocations: float
    queue_requests: float
    read_units: float
    tokens: float
    questions: float
    new_rows: float
    rows: float
    rows_per_user: float
    row_kilobytes: float
    stored_gigabytes: float

    def per_second(self, amount: float) -> float:
        """Return a month's amount as a rate."""
        return amount / SECONDS


def demand(work: Workload) -> Demand:
    """Return what ``work`` asks for."""
    exchanges = work.users * work.exchanges_a_day * DAYS
    saves = exchanges * work.saves_per_exchange
    notices = saves * work.notices_per_save
    invocations = notices / work.batch
    questions = work.users * work.questions_a_day * DAYS
    new_rows = exchanges * work.chunks_per_exchange
    row_kilobytes = (work.dimensions * VECTOR_BYTES + work.exchange_tokens * 4 + 400) / 1000
    rows = new_rows * work.months
    return Demand(
        saves=saves,
        notices=notices,
        stream_invocations=saves * work.notices_per_save,
        ingest_invocations=invocations,
        # Sent by the batch; an idle poller's empty receives are in the floor of each store's estimate.
        queue_requests=notices + 2 * invocations,
        read_units=notices * max(1.0, work.session_kilobytes / 4),
        tokens=exchanges * work.exchange_tokens * work.growth + questions * work.question_tokens,
        questions=questions,
        new_rows=new_rows,
        rows=rows,
        rows_per_user=rows / work.users,
        row_kilobytes=row_kilobytes,
        stored_gigabytes=rows * row_kilobytes / 1e6,
    )

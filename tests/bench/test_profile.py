"""Reading of sampled stacks."""

from bench.profile import by_line, inclusive_shares, own_shares, samples

OUTER = "serve (/opt/lib/python3.11/site-packages/gunicorn/w.py:10)"
RAW = f"""\
{OUTER};send (/x/impl/a.py:5) 3
{OUTER};send (/x/impl/a.py:6);send (/x/impl/a.py:7) 2
serve (/opt/lib/python3.11/site-packages/gunicorn/w.py:12) 1
run (/opt/lib/python3.11/site-packages/gevent/threadpool.py:1);\
acquire_with_timeout (/opt/lib/python3.11/site-packages/gevent/_threading.py:36) 9
"""


def test_own_time_is_counted_by_line():
    assert own_shares(samples(RAW)) == {
        "send (/x/impl/a.py:5)": 3,
        "send (/x/impl/a.py:7)": 2,
        "serve (gunicorn/w.py:12)": 1,
    }


def test_inclusive_time_counts_a_recursive_function_once():
    assert inclusive_shares(samples(RAW)) == {"serve (gunicorn/w.py)": 6, "send (/x/impl/a.py)": 5}


def test_frames_of_other_forms_are_kept():
    assert by_line("<native>") == "<native>"

"""Readers of numeric tables and of CoNLL files."""

import numpy as np
import pytest

from rnnzoo.data.cache import write_arrays
from rnnzoo.data.conll import ConllFormat
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.numeric_table import ColumnChoice, NumericTable
from rnnzoo.errors import UserError

POINT, COMMA, GERMAN = NumberFormat(), NumberFormat(","), NumberFormat(",", ".")


def read(tmp_path, text, number_format=POINT, **choice):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return NumericTable(path, "utf-8", number_format, ColumnChoice(**choice))


@pytest.mark.parametrize(
    ("text", "names", "time"),
    [
        ("YEAR,SUN\n1700,5\n1701,11\n1702,16\n", ["SUN"], "YEAR"),
        ("day,v\n20200130,1\n20200131,7\n20200201,3\n", ["v"], "day"),
        ("Date,v\n1949-01,112\n1949-02,118\n", ["v"], "Date"),
        ("v,when\n5,01.02.2020\n3,02.02.2020\n", ["v"], "when"),
        (",Quarter,a,b\n0,1970 Q1,1,5\n1,1970 Q2,0,5\n2,1970 Q3,4,1\n", ["a", "b"], "Quarter"),
        ("year,quarter,a\n1959,1,4\n1959,2,2\n1959,3,7\n1959,4,7\n1960,1,1\n", ["a"], "year"),
        (",0\n1821,269\n1822,321\n1824,5\n", ["0"], ""),
        ("timestamp,v\n1600000000,3\n1600003600,4\n1600007201,1\n", ["v"], "timestamp"),
        ("count,v\n1,3\n5,4\n6,1\n", ["count", "v"], ""),  # increasing, but no index
        ("a\n1\n2\n3\n", ["a"], ""),  # alone, an index is the series
        ("a,\n1,\n5,\n3,\n", ["a"], ""),  # a comma at the end of every line
        ("1,7\n2,5\n4,5\n", ["0", "1"], ""),  # no header
    ],
)
def test_dates_and_indices_are_left_out(tmp_path, text, names, time):
    table = read(tmp_path, text)
    assert (list(table.names), table.time_name) == (names, time)


def test_named_columns_are_read_even_if_they_are_dates(tmp_path):
    text = "YEAR,SUN,X\n1700,5,2\n1701,11,1\n1702,16,9\n"
    assert read(tmp_path, text, columns="YEAR,SUN").names == ("YEAR", "SUN")
    table = read(tmp_path, text, exogenous="YEAR")
    assert table.names == ("SUN", "X", "YEAR")
    np.testing.assert_array_equal(table.read(slice(None))[:, -1], [1700, 1701, 1702])
    assert read(tmp_path, "t,v\n3,4\n5,1\n90,7\n", time_column="t").names == ("v",)


@pytest.mark.parametrize(
    ("text", "number_format", "values"),
    [
        ("a;b\n0,0901;1,5\n2,5;3\n", COMMA, [[0.0901, 1.5], [2.5, 3]]),
        ("a;b\n1.234,5;1\n12.000;-3,5\n", GERMAN, [[1234.5, 1], [12000, -3.5]]),
        ('a,b\n"1,234",1\n"2,500.5",4\n', NumberFormat(".", ","), [[1234, 1], [2500.5, 4]]),
        ("a\tb\n1 234\t1\n5\t4\n", NumberFormat(".", " "), [[1234, 1], [5, 4]]),
        ("a;b\n12\u202f345,5;1\n0,125;3\n", NumberFormat(",", " "), [[12345.5, 1], [0.125, 3]]),
        ("a;b\n0.125;1\n1.250;3\n", NumberFormat(",", "."), None),
        ("a,b\n1e3,-1\n+5,.5\n", POINT, [[1000, -1], [5, 0.5]]),
    ],
)
def test_formats_of_numbers(tmp_path, text, number_format, values):
    if values is None:  # no group of three digits follows a zero
        with pytest.raises(UserError, match=r"'0\.125' is not a number"):
            read(tmp_path, text, number_format)
        return
    np.testing.assert_allclose(read(tmp_path, text, number_format).read(slice(None)), values)


@pytest.mark.parametrize(
    ("text", "number_format", "choice", "message"),
    [
        ("a;b\n0,0901;1,5\n2;3\n", POINT, {}, r"row 2, column 'a'.*give --decimal=,"),
        ('a,b\n"1,234.5",7\n2,3\n', POINT, {}, "give --thousands=, --decimal=."),
        ("a;b\n0.5;1\n2;3\n", COMMA, {}, "give --decimal=."),
        ("a,b\n,1\n2,5\n", POINT, {}, "a missing value"),
        ("a,b\n1,2\nn/a,5\n", POINT, {}, "row 3, column 'a'.*missing"),
        ("a,b\nxy,1\n2,5\n7,1\n", POINT, {}, "'xy' is not a number"),
        ("d,v\n2020-02-01,1\n2020-01-01,3\n", POINT, {"time_column": "d"}, "'2020-01-01' is before '2020-02-01'"),
        ("a,b\n1,2\n3,5\n", POINT, {"columns": "a", "exogenous": "a"}, "named twice"),
        ("a,b\n1,2\n3,5\n", POINT, {"time_column": "t"}, "--time_column=t.*no such column"),
        ("d,p\n2020-01-01,45%\n2020-01-02,7%\n", POINT, {}, "column 'p': '45%' is not a number"),
        ("d,p\n2020-01-01,12 345\n2020-01-02,7\n", POINT, {}, "'12 345' has a mark between thousands"),
        ("d,p\n2020-01-01,12'345.5\n2020-01-02,7\n", POINT, {}, "give --thousands="),
        ("d,a,a\n2020-01-01,1,2\n2020-01-02,7,5\n", POINT, {}, "several columns 'a'"),
        ("a,b\n1,2\n3,5\n", POINT, {"columns": "a,a"}, "named twice"),
        ("d,v\n31.01.2024,1\n30.01.2024,3\n", POINT, {"time_column": "d"}, "is before"),
        ("d,v\n2024-01-31T00:00:00Z,1\n2024-01-30T00:00:00Z,3\n", POINT, {"time_column": "d"}, "is before"),
        ("d\n2020-02-01\n2020-03-01\n", POINT, {}, "no numeric column"),
    ],
)
def test_bad_tables(tmp_path, text, number_format, choice, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, number_format, **choice)


CONLL_U = """# sent_id = 1
# text = I don't\tknow.
1\tI\tI\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
3.1\tever\tever\tADV\tRB\t_\t_\t_\t_\t_
4\tknow\tknow\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
5\t#\t#\tSYM\tNN\t_\t4\tpunct\t_\t_

"""


def write(tmp_path, text):
    path = tmp_path / "file.conll"
    path.write_text(text, encoding="utf-8")
    return path


def read_conll(path, columns="", features=""):
    """The words, tags and features of each sentence."""
    arrays = write_arrays(ConllFormat("utf-8", columns, features).writer(path))
    names = ["words", "tags", *(f"feature_{i}" for i in range(len(features.split(",")) if features else 0))]
    return [
        [[arrays.strings(f"{name}.symbols")[n] for n in arrays.sequences(name)[i]] for name in names]
        for i in range(arrays.facts["count"])
    ]


def test_conll_u_by_its_rules(tmp_path):
    ((words, tags),) = read_conll(write(tmp_path, CONLL_U))
    assert words == ["I", "do", "n't", "know", "#"]
    assert tags == ["PRON", "AUX", "PART", "VERB", "SYM"]
    ((_, tags, *features),) = read_conll(write(tmp_path, CONLL_U), "form,xpos", "upos,-1")
    assert tags == ["PRP", "VBP", "RB", "VB", "NN"]
    assert features == [["PRON", "AUX", "PART", "VERB", "SYM"], ["_", "_", "_", "SpaceAfter=No", "_"]]


def test_conll_2000_with_features_and_comments(tmp_path):
    text = "# sent_id = 1\nHe PRP B-NP\n# NN I-NP\n\n-DOCSTART- -X- O\n\n\n# SYM O\n# newdoc id = 3\nruns VBZ B-VP\n"
    first, second = read_conll(write(tmp_path, text), features="POS")
    assert first == [["He", "#"], ["B-NP", "I-NP"], ["PRP", "NN"]]
    assert second[:2] == [["#", "runs"], ["O", "B-VP"]]


@pytest.mark.parametrize(
    ("text", "columns", "features", "message"),
    [
        ("a X\nb\n", "", "", "line 2: 1 columns"),
        ("a X\nb Y\n", "0,5", "", "line 1: 2 columns, but"),
        ("a X\nb Y\n", "0", "", "must be two numbers"),
        ("a X\nb Y\n", "", "shape", "must be numbers.*has no 'shape'"),
        ("\n\n", "", "", "no sentence"),
        ("# a = b\n", "", "", "no sentence"),
    ],
)
def test_bad_conll_files(tmp_path, text, columns, features, message):
    with pytest.raises(UserError, match=message):
        read_conll(write(tmp_path, text), columns, features)

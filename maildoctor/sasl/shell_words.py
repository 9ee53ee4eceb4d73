"""A shell script's simple commands, word by word, without running anything.

Enough of POSIX's Shell Command Language (2.2, 2.3) for a file of assignments: quotes, escapes, continued
lines, comments, separators. Whatever only running would tell is marked as not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.pattern import pattern

NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
OPENING = frozenset({"if", "case", "for", "while", "until", "{"})
CLOSING = frozenset({"fi", "esac", "done", "}"})
KEYWORDS = OPENING | CLOSING | {"then", "else", "elif", "do"}


class ShellSyntaxError(Exception):
    """The shell would stop here."""

    def __init__(self, line: int, text: str, why: str) -> None:
        """Say where (a line number from 1), which text, and why."""
        super().__init__(why)
        self.line, self.text, self.why = line, text, why


@dataclass(slots=True)
class Word:
    """One word, its quotes removed; ``$NAME`` stands in it as NUL NAME NUL."""

    line: int
    text: str = ""
    is_known: bool = True
    """False where a command substitution or a special parameter stands in it."""
    name_is_bare: bool = True
    """False where a quote stands before the first ``=``: then it is no assignment."""


@dataclass(slots=True)
class Command:
    """One simple command; ``conditional``: it may or may not be run."""

    line: int
    text: str = ""
    words: list[Word] = field(default_factory=list)
    conditional: bool = False


def commands(text: str) -> Iterator[Command]:
    """Yield the simple commands in order. Raises ShellSyntaxError where the shell would stop."""
    return _Lexer(text).commands()


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1
        self.depth = 0

    def commands(self) -> Iterator[Command]:
        conditional = False
        while self.at < len(self.text):
            command, separator = self._command()
            command.conditional = conditional or self._nested(command)
            if command.words:
                yield command
            conditional = separator in ("&&", "||")

    def _nested(self, command: Command) -> bool:
        """Follow compound commands; keywords are taken off the command."""
        nested = self.depth > 0
        while command.words and command.words[0].text in KEYWORDS and command.words[0].name_is_bare:
            word = command.words.pop(0).text
            self.depth += (word in OPENING) - (word in CLOSING)
            nested = True
        return nested or self.depth > 0

    def _command(self) -> tuple[Command, str]:
        """Read words up to a separator; give both."""
        command = Command(self.line)
        begin = self.at
        while True:
            self._skip_space()
            rest = self.text[self.at : self.at + 2]
            if not rest or rest[0] in "\n;&|":
                separator = rest if rest in ("&&", "||", ";;") else rest[:1]
                command.text = self.text[begin : self.at].strip()
                self._advance(len(separator))
                return command, separator
            if rest[0] in "()":
                raise ShellSyntaxError(self.line, self._line_text(), f'syntax error: "{rest[0]}" unexpected')
            if not command.words:
                command.line, begin = self.line, self.at
            command.words.append(self._word())

    def _skip_space(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] in " \t":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self._advance(2)
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _word(self) -> Word:
        word = Word(self.line)
        while self.at < len(self.text) and (character := self.text[self.at]) not in " \t\n;&|()":
            if character in "'\"\\" and "=" not in word.text:
                word.name_is_bare = False
            self._piece(word, character)
        return word

    def _piece(self, word: Word, character: str) -> None:
        if character == "\\":
            word.text += self.text[self.at + 1 : self.at + 2].replace("\n", "")
            self._advance(2)
        elif character == "'":
            word.text += self._until("'")
        elif character == '"':
            self._double_quoted(word)
        elif character in "$`":
            self._substitution(word)
        else:
            word.text += character
            self.at += 1

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            raise self._unterminated()
        inner = self.text[self.at + 1 : end]
        self._advance(end + 1 - self.at)
        return inner

    def _double_quoted(self, word: Word) -> None:
        unterminated = self._unterminated()
        self.at += 1
        while self.at < len(self.text) and (character := self.text[self.at]) != '"':
            if character == "\\" and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                word.text += self.text[self.at + 1].replace("\n", "")
                self._advance(2)
            elif character in "$`":
                self._substitution(word)
            else:
                word.text += character
                self._advance(1)
        if self.at >= len(self.text):
            raise unterminated
        self.at += 1

    def _substitution(self, word: Word) -> None:
        if self.text[self.at] == "`":
            self._until("`")
            word.is_known = False
            return
        braced = self.text.startswith("${", self.at)
        name = NAME.match(self.text, self.at + 1 + braced)
        if name and (not braced or self.text.startswith("}", name.end())):
            word.text += f"\0{name[0]}\0"
            self.at = name.end() + braced
        elif self.text[self.at + 1 : self.at + 2] in ("(", "{"):
            word.is_known = False
            self._advance(2)
            self._balanced(self.text[self.at - 1])
        else:
            word.text += "$"
            self.at += 1

    def _balanced(self, opening: str) -> None:
        closing, depth, unterminated = {"(": ")", "{": "}"}[opening], 1, self._unterminated()
        while depth:
            if self.at >= len(self.text):
                raise unterminated
            depth += (self.text[self.at] == opening) - (self.text[self.at] == closing)
            self._advance(1)

    def _unterminated(self) -> ShellSyntaxError:
        return ShellSyntaxError(self.line, self._line_text(), "syntax error: unterminated quoted string")

    def _line_text(self) -> str:
        begin = self.text.rfind("\n", 0, self.at) + 1
        return self.text[begin : (self.text + "\n").index("\n", self.at)]

    def _advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

"""A shell script's simple commands, word by word, without running anything.

Enough of POSIX's Shell Command Language (2.2, 2.3) for a file of assignments: quotes, escapes, continued
lines, comments, separators. Whatever only running would tell is marked as not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from maildoctor.pattern import pattern

NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
CLOSED_BY = {"if": "fi", "case": "esac", "for": "done", "while": "done", "until": "done", "{": "}", "(": ")"}
KEYWORDS = (CLOSED_BY.keys() | set(CLOSED_BY.values()) | {"then", "else", "elif", "do"}) - {"(", ")"}


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
        self.opened: list[tuple[str, int]] = []
        """The compound commands that are open: keyword and line, the innermost last."""

    def commands(self) -> Iterator[Command]:
        conditional = False
        while self.at < len(self.text):
            command, separator = self._command()
            command.conditional = conditional or self._nested(command)
            if command.words:
                yield command
            conditional = separator in ("&&", "||")
        if self.opened:
            word, line = self.opened[-1]
            why = f'syntax error: end of file where "{CLOSED_BY[word]}" should end the "{word}" of this line'
            raise ShellSyntaxError(line, self._line_text(line), why)

    def _nested(self, command: Command) -> bool:
        """Follow compound commands; keywords are taken off the command."""
        nested = bool(self.opened)
        while command.words and command.words[0].text in KEYWORDS and command.words[0].name_is_bare:
            self._keyword(command.words.pop(0))
            nested = True
        return nested or bool(self.opened)

    def _keyword(self, word: Word) -> None:
        if word.text in CLOSED_BY:
            self.opened.append((word.text, word.line))
        elif word.text in CLOSED_BY.values():
            if not self.opened or CLOSED_BY[self.opened[-1][0]] != word.text:
                raise self._unexpected(word.text, word.line)
            self.opened.pop()

    def _parenthesis(self, command: Command) -> None:
        """Take a subshell, a pattern of ``case`` or ``name()``; anything else the shell would not take."""
        character = self.text[self.at]
        inside = {word for word, _ in self.opened}
        if character == "(" and len(command.words) == 1 and "case" not in inside:
            rest = self.text[self.at + 1 :].lstrip(" \t")
            if not rest.startswith(")"):
                raise self._unexpected("(", self.line)
            self.at = len(self.text) - len(rest)
            command.words.clear()
        elif "case" in inside:
            command.words.clear()
        elif character == "(" and not command.words:
            self.opened.append(("(", self.line))
        elif character == ")" and "(" in inside:
            self.opened.pop()
        else:
            raise self._unexpected(character, self.line)
        self.at += 1

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
                self._parenthesis(command)
                continue
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
        why = "syntax error: unterminated quoted string"
        return ShellSyntaxError(self.line, self._line_text(self.line), why)

    def _unexpected(self, what: str, line: int) -> ShellSyntaxError:
        return ShellSyntaxError(line, self._line_text(line), f'syntax error: "{what}" unexpected')

    def _line_text(self, line: int) -> str:
        return self.text.split("\n")[line - 1].strip()

    def _advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

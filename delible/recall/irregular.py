"""Irregular forms of English: what no stemmer brings together ("went" and "go", "children" and "child")."""

from __future__ import annotations

_GROUPS = """
be been being was were is are am
become became
begin began begun
bend bent
bet
bite bit bitten
blow blew blown
break broke broken
bring brought
build built
burn burnt
buy bought
catch caught
choose chose chosen
come came
creep crept
cut
deal dealt
dig dug
do did done does
draw drew drawn
dream dreamt
drink drank drunk
drive drove driven
eat ate eaten
fall fell fallen
feed fed
feel felt
fight fought
find found
fly flew flown
forget forgot forgotten
forgive forgave forgiven
freeze froze frozen
get got gotten
give gave given
go went gone goes
grow grew grown
hang hung
have had has
hear heard
hide hid hidden
hit
hold held
keep kept
know knew known
lay laid
lead led
lean leant
leap leapt
learn learnt
leave left
lend lent
lie lay lain
light lit
lose lost
make made
mean meant
meet met
pay paid
prove proven
read
ride rode ridden
ring rang rung
rise rose risen
run ran
say said
see saw seen
seek sought
sell sold
send sent
sew sewn
shake shook shaken
shine shone
shoot shot
show shown
shrink shrank shrunk
sing sang sung
sink sank sunk
sit sat
sleep slept
slide slid
speak spoke spoken
spend spent
spill spilt
spin spun
split
spoil spoilt
spread
spring sprang sprung
stand stood
steal stole stolen
stick stuck
strike struck
swear swore sworn
sweep swept
swim swam swum
swing swung
take took taken
teach taught
tear tore torn
tell told
think thought
throw threw thrown
understand understood
wake woke woken
wear wore worn
weave wove woven
win won
wind wound
write wrote written
child children
man men
woman women
person people
foot feet
tooth teeth
mouse mice
goose geese
wife wives
life lives
knife knives
leaf leaves
half halves
shelf shelves
wolf wolves
good better best
bad worse worst
"""

FORMS: dict[str, tuple[str, ...]] = {}
"""The other forms of a word, by the word in lower case."""
for _line in _GROUPS.split("\n"):
    for _word in _line.split():
        FORMS[_word] = tuple(dict.fromkeys((*FORMS.get(_word, ()), *(form for form in _line.split() if form != _word))))


def forms_of(word: str) -> tuple[str, ...]:
    """The word and its irregular forms."""
    return (word, *FORMS.get(word.lower(), ()))

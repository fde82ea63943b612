//! How common the characters of a text are in Chinese, Japanese and Korean: a text decoded in the wrong encoding has
//! rare ones.

use std::collections::HashSet;

/// Sets of common characters.
pub(super) struct CommonCharacters {
    simplified: HashSet<char>,
    traditional: HashSet<char>,
    korean: HashSet<char>,
}

impl CommonCharacters {
    pub(super) fn new() -> Self {
        Self {
            simplified: SIMPLIFIED.chars().collect(),
            traditional: TRADITIONAL.chars().collect(),
            korean: KOREAN.chars().collect(),
        }
    }

    /// Returns the share of common Simplified characters among those that are not ASCII or punctuation.
    pub(super) fn simplified_share(&self, text: &str) -> f32 {
        share(text, |character| self.simplified.contains(&character))
    }

    /// Like [`Self::simplified_share`], of Traditional characters.
    pub(super) fn traditional_share(&self, text: &str) -> f32 {
        share(text, |character| self.traditional.contains(&character))
    }

    /// Like [`Self::simplified_share`], of characters of either script.
    pub(super) fn han_share(&self, text: &str) -> f32 {
        share(text, |character| {
            self.simplified.contains(&character)
                || self.traditional.contains(&character)
                || is_kana(character)
        })
    }

    /// Like [`Self::simplified_share`], of kana, and of Han characters where there are kana.
    pub(super) fn japanese_share(&self, text: &str) -> f32 {
        let has_kana = text.chars().any(is_kana);
        share(text, |character| is_kana(character) || has_kana && self.traditional.contains(&character))
    }

    /// Like [`Self::simplified_share`], of Korean syllables.
    pub(super) fn korean_share(&self, text: &str) -> f32 {
        share(text, |character| self.korean.contains(&character))
    }
}

fn is_kana(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}')
}

/// Returns the share of characters for which `is_common` holds among those that are not ASCII or punctuation.
#[expect(clippy::cast_precision_loss, reason = "counts of a sample")]
fn share(text: &str, is_common: impl Fn(char) -> bool) -> f32 {
    let (mut count, mut common) = (0_usize, 0_usize);
    for character in text.chars().filter(|character| !character.is_ascii() && !is_punctuation(*character)) {
        count += 1;
        common += usize::from(is_common(character));
    }
    if count == 0 { 0.0 } else { common as f32 / count as f32 }
}

fn is_punctuation(character: char) -> bool {
    matches!(character, '\u{2010}'..='\u{203b}' | '\u{3000}'..='\u{3020}' | '\u{ff00}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}')
}

/// The commonest Simplified characters, of prose and of manuals.
const SIMPLIFIED: &str = "\
     的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心\
     多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分\
     将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因\
     重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书\
     比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今\
     京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六\
     功指思非流每青管夫连远资队跟带花快条院变联权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求\
     品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站\
     广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴切库查询器配\
     置户参返值误状态称描述址编号列创删除获默填选项密码登录限订示例阀泵段类型输串符键缓存索引端测试启停节备份\
     恢复图附章额警络链径扫页检验格辑修操按钮窗菜帮助简介概装卸载升级署阅册摘标脚注仪压温湿阈线圈泄漏维护坝池\
     泥沙\
     ";

/// The commonest Traditional characters, most of which Japanese has too.
const TRADITIONAL: &str = "\
     的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡後小麼心\
     多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知民樣現分\
     將外但身些與高意進把法此實回二理美點月明其種聲全工己話兒者向情部正名定女問力機給等幾很業最間新什打便位因\
     重被走電四第門相次東政海口使教西再平真聽世氣信北少關並內加化由卻代軍產入先山五太水萬市眼體別處總才場師書\
     比住員九笑性通目華報立馬命張活難神數件安表原車白應路期叫死常提感金何更反合放做系計或司利受光王果親界及今\
     京務制解各任至清物台象記邊共風戰干接它許八特覺望直服毛林題建南度統色字請交愛讓認算論百吃義科怎元社術結六\
     功指思非流每青管夫連遠資隊跟帶花快條院變聯權往展該領傳近留紅治決周保達辦運武半候七必城父強步完革深區即求\
     品士轉量空甚眾技輕程告江語英基派滿式李息寫呢識極令黃德收臉錢黨倒未持取設始版雙歷越史商千片容研像找友孩站\
     廣改議形委早房音火際則首單據導影失拿網香似斯專石若兵弟誰校讀志飛觀爭究包組造落視濟喜離雖壞興切庫查詢劃伺\
     器檔案稱參類型錯誤訊狀態描述址編號刪除預密碼登限訂範例閥介啟停節備份復圖附錄章鏈徑頁檢驗格輯修操按鈕窗選\
     幫助簡概裝移升級佈署閱冊摘標註儀壓溫濕線維護壩池\
     ";

/// The commonest Korean syllables.
const KOREAN: &str = "\
     이다는을에의가로하고지한기사자은도를서어그리인대나있시정일것수들해원보아제전으만스라부과장주상여니와공용\
     동구성화되조신안력유명회무소설개관우계방연중간비파목트터버입출확작업문값키형태및습합\
     ";

//! What the pages say, in each language they can say it in: one table, all of whose places are filled. Run by a child.
//!
//! What the script says stands in the same table, and comes to it with the page.

use super::exchange::Exchange;
use crate::error::Code;
use serde::Serialize;

/// Everything that is said in one language. `{}` stands for what is put in.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    /// Of the language (RFC 5646).
    pub(super) lang: &'static str,
    #[serde(skip)]
    pub(super) top: &'static str,
    #[serde(skip)]
    pub(super) path: &'static str,
    #[serde(skip)]
    pub(super) log_in: &'static str,
    #[serde(skip)]
    pub(super) log_out: &'static str,
    #[serde(skip)]
    pub(super) everywhere: &'static str,
    #[serde(skip)]
    pub(super) user: &'static str,
    #[serde(skip)]
    pub(super) password: &'static str,
    #[serde(skip)]
    pub(super) wrong_password: &'static str,
    #[serde(skip)]
    pub(super) filter_these: &'static str,
    #[serde(skip)]
    pub(super) filter_button: &'static str,
    #[serde(skip)]
    pub(super) as_zip: &'static str,
    #[serde(skip)]
    pub(super) upload_here: &'static str,
    #[serde(skip)]
    pub(super) upload_button: &'static str,
    #[serde(skip)]
    pub(super) drop_box: &'static str,
    #[serde(skip)]
    pub(super) not_shown: &'static str,
    #[serde(skip)]
    pub(super) to_top: &'static str,
    #[serde(skip)]
    pub(super) failed: &'static str,
    pub(super) name: &'static str,
    pub(super) size: &'static str,
    pub(super) modified: &'static str,
    pub(super) download: &'static str,
    pub(super) previous: &'static str,
    pub(super) next: &'static str,
    pub(super) empty: &'static str,
    pub(super) none_match: &'static str,
    pub(super) too_many: &'static str,
    pub(super) entries: &'static str,
    pub(super) entry: &'static str,
    pub(super) shown_of: &'static str,
    upload_files: &'static str,
    upload_folder: &'static str,
    new_folder: &'static str,
    drop_here: &'static str,
    more: &'static str,
    select: &'static str,
    select_all: &'static str,
    selected: &'static str,
    open: &'static str,
    open_tab: &'static str,
    copy_link: &'static str,
    copied: &'static str,
    share: &'static str,
    rename: &'static str,
    delete: &'static str,
    cancel: &'static str,
    close: &'static str,
    ok: &'static str,
    create: &'static str,
    folder_name: &'static str,
    new_name: &'static str,
    delete_one: &'static str,
    delete_many: &'static str,
    delete_full: &'static str,
    delete_all: &'static str,
    deleted: &'static str,
    renamed: &'static str,
    created: &'static str,
    share_title: &'static str,
    share_hours: &'static str,
    share_hour: &'static str,
    share_day: &'static str,
    share_week: &'static str,
    share_month: &'static str,
    share_count: &'static str,
    share_any: &'static str,
    share_make: &'static str,
    share_link: &'static str,
    share_until: &'static str,
    share_links: &'static str,
    share_end: &'static str,
    previous_file: &'static str,
    next_file: &'static str,
    no_preview: &'static str,
    as_text: &'static str,
    cut_text: &'static str,
    uploads: &'static str,
    waiting: &'static str,
    resuming: &'static str,
    retrying: &'static str,
    finishing: &'static str,
    done: &'static str,
    cancelled: &'static str,
    skipped: &'static str,
    retry: &'static str,
    left: &'static str,
    uploading: &'static str,
    all_done: &'static str,
    some_failed: &'static str,
    clear: &'static str,
    taken: &'static str,
    replace: &'static str,
    keep_both: &'static str,
    skip: &'static str,
    for_all: &'static str,
    leaving: &'static str,
    no_network: &'static str,
    login_again: &'static str,
    keys: &'static str,
    keys_list: &'static [(&'static str, &'static str)],
    /// What refusals are called here; where there is nothing, as the server says it.
    errors: &'static [(&'static str, &'static str)],
}

impl Words {
    /// In the language that the client would rather read (RFC 9110, section 12.5.4).
    pub(super) fn of(exchange: &Exchange<'_>) -> &'static Words {
        let listed: Vec<String> = exchange.head.listed("accept-language").collect();
        Words::among(listed.iter().map(String::as_str))
    }

    fn among<'a>(listed: impl Iterator<Item = &'a str>) -> &'static Words {
        let mut best: (&'static Words, u32) = (&EN, 0);
        for member in listed {
            let mut parts = member.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(1.0, |text| text.parse().unwrap_or(0.0));
            let words = match tag.split('-').next() {
                Some("zh") => &ZH,
                Some("en" | "*") => &EN,
                _ => continue,
            };
            // Three digits are all there are.
            let weight = (weight * 1000.0_f32) as u32;
            if weight > best.1 {
                best = (words, weight);
            }
        }
        best.0
    }

    #[cfg(test)]
    pub(super) fn english() -> &'static Words {
        &EN
    }

    /// A refusal, for people; `said` is what the server says of itself.
    pub(super) fn error<'a>(&self, code: Code, said: &'a str) -> &'a str {
        let known = self.errors.iter().find(|(name, _)| *name == code.as_str());
        known.map_or(said, |(_, text)| text)
    }
}

/// Puts `what` where the `{}` of a text is.
pub(super) fn fill(text: &str, what: &str) -> String {
    text.replacen("{}", what, 1)
}

const EN: Words = Words {
    lang: "en",
    top: "Files",
    path: "Path",
    log_in: "Log in",
    log_out: "Log out",
    everywhere: "In all browsers",
    user: "User",
    password: "Password",
    wrong_password: "That user and password do not go together.",
    filter_these: "Filter by name",
    filter_button: "Filter",
    as_zip: "Download as zip",
    upload_here: "Choose files",
    upload_button: "Upload",
    drop_box: "What is in this folder is not shown. You can put files into it.",
    not_shown: "What is in this folder is not shown to you.",
    to_top: "To all files",
    failed: "That did not work",
    name: "Name",
    size: "Size",
    modified: "Changed",
    download: "Download",
    previous: "Previous",
    next: "Next",
    empty: "This folder is empty.",
    none_match: "Nothing here has such a name.",
    too_many: "There are too many entries to sort: they stand as the disk has them.",
    entries: "{} entries",
    entry: "1 entry",
    shown_of: "{} of {}",
    upload_files: "Upload files",
    upload_folder: "Upload a folder",
    new_folder: "New folder",
    drop_here: "Drop files and folders to upload them here",
    more: "What to do with {}",
    select: "Select {}",
    select_all: "Select all",
    selected: "{} selected",
    open: "Open",
    open_tab: "Open in a new tab",
    copy_link: "Copy link",
    copied: "The link is copied.",
    share: "Share…",
    rename: "Rename…",
    delete: "Delete",
    cancel: "Cancel",
    close: "Close",
    ok: "OK",
    create: "Create",
    folder_name: "Name of the new folder",
    new_name: "New name",
    delete_one: "Delete “{}”? This cannot be undone.",
    delete_many: "Delete these {}? This cannot be undone.",
    delete_full: "The folder “{}” is not empty. Delete it with everything in it?",
    delete_all: "Delete everything in it",
    deleted: "Deleted: {}",
    renamed: "Renamed: {}",
    created: "Created: {}",
    share_title: "Share “{}”",
    share_hours: "The link works for",
    share_hour: "an hour",
    share_day: "a day",
    share_week: "a week",
    share_month: "30 days",
    share_count: "Downloads",
    share_any: "any number",
    share_make: "Make a link",
    share_link: "Whoever has this link can get the file, without a login:",
    share_until: "It works until {}.",
    share_links: "Links there are",
    share_end: "End it",
    previous_file: "Previous file",
    next_file: "Next file",
    no_preview: "There is no preview of this file.",
    as_text: "Show as text",
    cut_text: "This is the beginning: the file is longer.",
    uploads: "Uploads",
    waiting: "waiting",
    resuming: "going on from {}",
    retrying: "interrupted: trying again in {} s",
    finishing: "being stored",
    done: "done",
    cancelled: "cancelled",
    skipped: "left out",
    retry: "Try again",
    left: "{} left",
    uploading: "Uploading {} of {}",
    all_done: "Uploaded: {}",
    some_failed: "Not uploaded: {}",
    clear: "Clear",
    taken: "“{}” is here already.",
    replace: "Replace",
    keep_both: "Keep both",
    skip: "Leave out",
    for_all: "The same for all others",
    leaving: "Uploads are under way.",
    no_network: "The server cannot be reached.",
    login_again: "Log in again to go on.",
    keys: "Keys",
    keys_list: &[
        ("↑ ↓", "go through the list"),
        ("Enter", "open"),
        ("Backspace", "the folder above"),
        ("/", "filter"),
        ("Space", "select"),
        ("u", "upload files"),
        ("n", "new folder"),
        ("F2", "rename"),
        ("Delete", "delete"),
        ("← →", "previous and next, in a preview"),
        ("Esc", "close"),
        ("?", "these keys"),
    ],
    errors: &[],
};

const ZH: Words = Words {
    lang: "zh-CN",
    top: "文件",
    path: "路径",
    log_in: "登录",
    log_out: "退出登录",
    everywhere: "在所有浏览器中退出",
    user: "用户名",
    password: "密码",
    wrong_password: "用户名或密码不正确。",
    filter_these: "按名称筛选",
    filter_button: "筛选",
    as_zip: "打包下载 (zip)",
    upload_here: "选择文件",
    upload_button: "上传",
    drop_box: "此文件夹的内容不会显示,但您可以向其中上传文件。",
    not_shown: "您无权查看此文件夹的内容。",
    to_top: "返回全部文件",
    failed: "操作未成功",
    name: "名称",
    size: "大小",
    modified: "修改时间",
    download: "下载",
    previous: "上一页",
    next: "下一页",
    empty: "此文件夹为空。",
    none_match: "没有匹配的名称。",
    too_many: "条目过多,无法排序,按磁盘顺序显示。",
    entries: "{} 项",
    entry: "1 项",
    shown_of: "{} / {}",
    upload_files: "上传文件",
    upload_folder: "上传文件夹",
    new_folder: "新建文件夹",
    drop_here: "将文件或文件夹拖放到此处上传",
    more: "“{}”的操作",
    select: "选择“{}”",
    select_all: "全选",
    selected: "已选择 {} 项",
    open: "打开",
    open_tab: "在新标签页中打开",
    copy_link: "复制链接",
    copied: "链接已复制。",
    share: "分享…",
    rename: "重命名…",
    delete: "删除",
    cancel: "取消",
    close: "关闭",
    ok: "确定",
    create: "创建",
    folder_name: "新文件夹的名称",
    new_name: "新名称",
    delete_one: "删除“{}”?此操作无法撤销。",
    delete_many: "删除这 {} 项?此操作无法撤销。",
    delete_full: "文件夹“{}”不为空。要连同其中的全部内容一起删除吗?",
    delete_all: "删除全部内容",
    deleted: "已删除:{}",
    renamed: "已重命名:{}",
    created: "已创建:{}",
    share_title: "分享“{}”",
    share_hours: "链接有效期",
    share_hour: "1 小时",
    share_day: "1 天",
    share_week: "1 周",
    share_month: "30 天",
    share_count: "下载次数",
    share_any: "不限",
    share_make: "生成链接",
    share_link: "任何拥有此链接的人无需登录即可下载该文件:",
    share_until: "有效期至 {}。",
    share_links: "已有的链接",
    share_end: "停用",
    previous_file: "上一个文件",
    next_file: "下一个文件",
    no_preview: "此文件无法预览。",
    as_text: "以文本显示",
    cut_text: "文件较长,仅显示开头部分。",
    uploads: "上传",
    waiting: "等待中",
    resuming: "从 {} 处继续",
    retrying: "已中断,{} 秒后重试",
    finishing: "正在保存",
    done: "完成",
    cancelled: "已取消",
    skipped: "已跳过",
    retry: "重试",
    left: "剩余 {}",
    uploading: "正在上传 {} / {}",
    all_done: "已上传:{}",
    some_failed: "未能上传:{}",
    clear: "清除",
    taken: "“{}”已存在。",
    replace: "替换",
    keep_both: "两者都保留",
    skip: "跳过",
    for_all: "对其余文件执行相同操作",
    leaving: "上传尚未完成。",
    no_network: "无法连接服务器。",
    login_again: "请重新登录以继续。",
    keys: "快捷键",
    keys_list: &[
        ("↑ ↓", "在列表中移动"),
        ("Enter", "打开"),
        ("Backspace", "上一级文件夹"),
        ("/", "筛选"),
        ("Space", "选择"),
        ("u", "上传文件"),
        ("n", "新建文件夹"),
        ("F2", "重命名"),
        ("Delete", "删除"),
        ("← →", "预览时上一个、下一个"),
        ("Esc", "关闭"),
        ("?", "显示快捷键"),
    ],
    errors: &[
        ("busy", "服务器繁忙,请稍后再试。"),
        ("closing", "服务器正在关闭。"),
        ("login", "需要登录。"),
        ("name", "此名称无法在这里保存。"),
        ("not-found", "文件或文件夹不存在。"),
        ("is-folder", "这是一个文件夹。"),
        ("not-folder", "这不是文件夹。"),
        ("exists", "名称已被占用。"),
        ("in-use", "同名文件正在上传。"),
        ("denied", "您无权执行此操作。"),
        ("no-space", "磁盘空间不足。"),
        ("quota", "您的配额已用完。"),
        ("not-empty", "文件夹不为空。"),
        ("too-large", "文件过大。"),
        ("changed", "文件在传输过程中被更改。"),
        ("io", "磁盘错误。"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn lang(accepted: &str) -> &'static str {
        Words::among(accepted.split(',').map(str::trim)).lang
    }

    #[test]
    fn the_language_is_the_one_that_is_liked_best_of_those_there_are() {
        for (accepted, expected) in [
            ("", "en"),
            ("zh-cn,zh;q=0.9,en;q=0.8", "zh-CN"),
            ("de,en;q=0.5,zh;q=0.4", "en"),
            ("de,zh;q=0.4", "zh-CN"),
            ("en;q=0.2, zh-tw;q=0.7", "zh-CN"),
            ("fr", "en"),
            ("zh;q=0", "en"),
            ("zh;q=none", "en"),
            ("*", "en"),
        ] {
            assert_eq!(lang(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn refusals_are_said_in_the_language_where_it_has_words_for_them() {
        assert_eq!(ZH.error(Code::Denied, "no"), "您无权执行此操作。");
        assert_eq!(EN.error(Code::Denied, "no"), "no");
        assert_eq!(fill(EN.entries, "{}"), "{} entries");
    }
}

# 失败的原因，按代码。英文即程序中的原文，不在此重复；括号内的原因（reason）显示在译文之后。
reason-malformed = { $format } 文件无效：
reason-limit = 文档超出限制：最多 { $limit } { $unit ->
    [bytes] 字节
    [bytes-of-text] 字节文本
    [decompressed-bytes] 字节（解压后）
    [decompressed-bytes-in-an-archive] 字节（压缩包解压后）
    [files-in-an-archive] 个文件（压缩包）
    [levels-of-nesting] 层嵌套
    [nested-elements] 层嵌套元素
    [nested-blocks] 层嵌套区块
    [elements] 个元素
    [parts] 个部件
    [passages] 个段落
   *[other] { $unit }
}。
reason-size = 文档超过 { $limit } MiB 的上限。
reason-no-text = 文档中没有文字。
reason-unsupported-type = 不支持 { $name } 的文件类型（{ $format }）。
reason-picture = { $name }（{ $format }）会显示在引用它的文档中。
reason-picture-damaged = { $name }（{ $format }）无法显示：
reason-not-text = { $name } 不是文本文件。
reason-archive-entry = 压缩包中的“{ $name }”无法读取：
reason-pdf-password = 此 PDF 已加密，需要密码。
reason-word-password = 此 Word 文档需要密码，或为旧版 .doc 格式。
reason-wrong-content = 内容开头与 { $format } 文件不符。
reason-crashed = 解析时崩溃或内存超限；文档可能已损坏。
reason-too-slow = 解析超过 { $seconds } 秒的时限。
reason-no-attempts-left = 多次解析均失败（见 `wenyuan jobs`）：
reason-archive-rest = 压缩包的其余部分无法读取：
reason-archive = 压缩包无法读取：
reason-import-duplicate = 消息编号重复。
reason-import-foreign = 编号属于另一条消息。
reason-import-bytes = 文件内容缺失，或与其哈希值不符。
reason-import-incomplete = 缺失：文件不完整。
reason-import-empty = 没有可导入的消息。
reason-import-value = 包含不是对话的内容。
reason-import-chat = 对话无效：
reason-import-files = { $count } 个文件：此导出中没有文件内容。
reason-import-max-messages = 一个对话最多 { $limit } 条消息。
reason-import-max-chats = 一次最多导入 { $limit } 个对话。
reason-import-more-messages = 前 { $limit } 条之外的 { $count } 条消息。
reason-import-parts = { $count } 个非文字部分（图片、音频）。
reason-import-line = 超过 { $limit } 字节。
reason-no-language-model = 尚未配置语言模型：管理员可用 `wenyuan models add` 添加。
reason-language-model = 语言模型 { $name } 出错：
reason-model-empty = 回答为空：请重新提问，或选择其他模型。
reason-model-too-long = 回答超过最大长度，已停止：请重新提问，或选择其他模型。
reason-model-protocol = 未按 OpenAI 协议应答：请检查其地址（通常以 /v1 结尾）。
reason-model-busy = 运行和排队的提问已达上限：请稍后再试。
reason-model-overloaded = 负载过高：请稍后再试。
reason-model-slow = { $seconds } 秒内未开始回答：请重新提问，或提高其时限（first_seconds）。
reason-model-key = 拒绝了 API 密钥：请输入正确的密钥。
reason-model-key-characters = API 密钥含有 HTTP 标头不允许的字符：请重新输入。
reason-model-quota = 付费额度已用完：请检查其 API 密钥所属的账号。
reason-active-version = { $version } 是 { $library } 的当前版本：请先启用另一个版本。
reason-own-grant = 不能降低自己对 { $library } 的权限：请联系其他负责人或管理员。
reason-not-completed = 此修订不能设为当前：其状态为 { $status }。
reason-empty-library = { $library } 中还没有文档。
reason-name-mismatch = 名称不符，未删除任何内容。
reason-form = 无法读取此表单。
reason-no-file = 请先选择文件。
reason-too-many-answers = 已有 { $count } 个回答正在生成：请等待其中一个结束，或将其停止。
reason-model-name-taken = 已有同名的语言模型：请换一个名称。
reason-not-administrator = 只有登录的管理员可以执行此操作，API 密钥不可以。
reason-post-length = 帖子须有 1 至 { $limit } 个字符，当前为 { $count } 个。
reason-comment-length = 评论须有 1 至 { $limit } 个字符，当前为 { $count } 个。
reason-message-length = 消息须有 1 至 { $limit } 个字符，当前为 { $count } 个。
reason-report-length = 举报理由须有 1 至 { $limit } 个字符，当前为 { $count } 个。
reason-too-fast = 发布过于频繁：请在 { $seconds } 秒后重试。
reason-blocked-by-you = 你已拉黑此用户：请先取消拉黑再联系对方。
reason-too-late = 只能在 { $minutes } 分钟内为所有人删除消息。
reason-not-sender = 只有发送者可以为所有人删除消息。
reason-not-asker = 只有提问者或文库负责人可以采纳回答。
reason-blocked-named = 你已拉黑 { $name }：请先取消拉黑再联系对方。
reason-absent-people = 其中有人不存在，或不接收你的消息。
reason-members = 会话须有 1 至 { $limit } 名其他成员。
reason-nobody-else = 此会话中已没有其他人。
reason-only-groups = 只能退出群组：如不想再联系对方，请将其拉黑。
reason-no-replies = 此评论已不再显示，不能回复。
reason-no-comments = 此帖子已不再显示，不能评论。
reason-not-shown = 此评论已不再显示。
reason-not-question = 只有提问可以采纳答案。
reason-too-many-follows = 已关注 { $limit } 项：请先取消关注一些。
reason-answer-private = 此回答用到了对话中的文件或外部服务器，其他人无法读取。
reason-answer-gone = 此回答所用的段落已不存在：请重新提问。
reason-answer-unreadable = 此回答所用的段落已不存在，或你已无权读取。
reason-own-text = 你自己的内容由其他管理者处理。
reason-golden-length = 基准问题须有 1 至 { $limit } 个字符，现有 { $length } 个。
reason-golden-version = 版本属于某个文库：请同时填写文库。
reason-golden-limit = 已有 { $limit } 个基准问题，每次备份都会全部检索：请先移除一个。

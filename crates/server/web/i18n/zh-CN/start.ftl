# 新服务器的起步。
start-title = 开始使用
start-done = 已完成
start-documents = 添加文档
start-about-documents = 拖入文件夹、压缩包或单个文件，几秒后即可检索。
start-agent = 连接智能体
start-about-agent = 创建 API 密钥，把配置复制到您的编程智能体。
start-model = 连接语言模型
start-about-model = 用完整的句子回答并引用原文。没有语言模型也可以检索。
start-people = 邀请成员
start-about-people = 创建账号并转交链接。文库可以保持私有。
start-search = 检索指南
